import { expect, test } from 'vitest';
import { parseAllowedHosts } from '../../../domain/connect/allowed-hosts.ts';
import { tenantHostUrl } from '../../../domain/connect/host-url.ts';
import { allowedRedirect } from '../../../domain/connect/redirects.ts';
import { looksPublic } from '../../../domain/deliveries/webhook-address.ts';
import { githubHost } from '../../../domain/github/github-host.ts';
import {
  appSettingsUrl,
  installationSettingsUrl,
  installUrl,
  manifestFormUrl,
} from '../../../domain/github/github-urls.ts';
import { redact } from '../../../domain/secrets/redact.ts';
import { fc } from '../../support/properties.ts';
import { addressText, anyText } from '../../support/texts.ts';

const allowed = parseAllowedHosts('git.internal http://127.0.0.1:4010');

test('returns an allowed host as an origin, and accepts that origin unchanged', () => {
  fc.assert(
    fc.property(addressText, (text) => {
      const origin = tenantHostUrl(text, allowed);
      if (origin === undefined) return;
      expect(new URL(origin).href).toBe(`${origin}/`);
      expect(tenantHostUrl(origin, allowed)).toBe(origin);
      expect(new URL(githubHost(origin).api).protocol).toBe(new URL(origin).protocol);
    }),
  );
});

test('reads a list of allowed hosts, or throws an error that names the invalid entry', () => {
  fc.assert(
    fc.property(addressText, (text) => {
      try {
        for (const entry of parseAllowedHosts(text)) {
          const again = 'host' in entry ? entry.host : entry.origin;
          expect(parseAllowedHosts(again)).toEqual([entry]);
        }
      } catch (error) {
        expect((error as Error).message).toMatch(/^Not a host .*: "/s);
      }
    }),
  );
});

test('allows no redirect to another origin', () => {
  const origins = ['https://console.example.com', 'http://localhost:3000'];
  const below = fc.tuple(fc.constantFrom(...origins), anyText).map(([origin, rest]) => origin + rest);
  fc.assert(
    fc.property(fc.oneof(addressText, below), (text) => {
      const url = allowedRedirect(text, origins);
      if (url === undefined) return;
      expect(origins).toContain(new URL(url).origin);
      expect(allowedRedirect(url, origins)).toBe(url);
    }),
  );
});

test('looks only at the host to decide whether an address is public', () => {
  fc.assert(
    fc.property(addressText, (text) => {
      if (!URL.canParse(text) || !/^https?:/i.test(text)) return;
      expect(looksPublic(text)).toBe(looksPublic(`http://${new URL(text).hostname}:8080/x`));
    }),
  );
});

test('links to pages on GitHub’s host for any name of an account or an App', () => {
  const web = 'https://github.com';
  fc.assert(
    fc.property(anyText, anyText, (name, state) => {
      const pages = [
        manifestFormUrl(web, { organization: name, state }),
        installUrl({ web, appPathPrefix: '/apps', slug: name, state }),
        appSettingsUrl({ web, appPathPrefix: '/apps', slug: name, organization: name }),
        installationSettingsUrl(web, { organization: name, installationId: 1 }),
      ];
      for (const page of pages) expect(new URL(page).origin).toBe(web);
    }),
  );
});

test('redacts any secret from any text', () => {
  fc.assert(
    fc.property(anyText, anyText, (before, secret) => {
      const text = redact(`${before} ${secret} `, [secret]);
      if (secret.length >= 6 && !'[redacted]'.includes(secret)) expect(text).not.toContain(secret);
    }),
  );
});
