import { expect, test } from 'vitest';
import { grantedBy } from '../../providers/clouds/azure/azure-token.ts';
import { outageOf as cloudOutageOf, isClockWrong } from '../../providers/clouds/outages.ts';
import { nextHop } from '../../providers/egress/redirects.ts';
import { ProviderError } from '../../providers/failure.ts';
import { nextPage } from '../../providers/github/client.ts';
import { type Call, failureOf } from '../../providers/github/failures.ts';
import { inspectWorkflow } from '../../providers/github/repository/workflow-file.ts';
import { outageOf } from '../../providers/registries/failures.ts';
import { accessIn } from '../../providers/registries/probes.ts';
import { realmHost, trustedRealm } from '../../providers/registries/realm.ts';
import { wayInOf } from '../../providers/registries/way-in.ts';
import { fc } from '../support/properties.ts';
import { addressText, anyText } from '../support/texts.ts';

const now = Date.UTC(2026, 0, 1);
const day = 24 * 60 * 60_000;

/** Any text that a server can put into a header. */
const headerText = fc
  .oneof(
    anyText,
    fc.constantFrom('-1', '0', '1e300', '999999999', '99999999999', 'Infinity'),
    fc.date({ noInvalidDate: true }).map((date) => date.toUTCString()),
    fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
  )
  .map((text) => text.replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, '').trim());
const status = fc.constantFrom(200, 400, 401, 403, 404, 408, 409, 422, 429, 500, 503);

test('limits any pause that a host asks for to a day', () => {
  const call: Call = { as: 'token', method: 'GET', secrets: [], now: () => now };
  const cloud = { provider: 'gcp', name: 'Google' };
  fc.assert(
    fc.property(status, headerText, headerText, headerText, anyText, (code, pause, reset, remaining, message) => {
      const text = {
        'retry-after': pause,
        'x-retry-after': pause,
        'x-ratelimit-reset': reset,
        'x-ratelimit-remaining': remaining,
        date: reset,
      };
      const headers = new Headers(text);
      const seen = { origin: '', status: code, headers, body: {}, failure: undefined };
      const errors = [
        failureOf({ status: code, headers: text, message }, call),
        outageOf('registry.example', { status: code, headers, codes: [] }),
        cloudOutageOf(cloud, seen, now),
      ];
      expect(isClockWrong(headers, now)).toBeTypeOf('boolean');
      for (const error of errors) {
        const ms = error?.retryAfterMs;
        if (ms !== undefined) expect(ms >= 0 && ms <= day).toBe(true);
      }
    }),
  );
});

test('limits a pause to a day, and treats a negative one or NaN as 0', () => {
  const pauseOf = (retryAfterMs: number) =>
    new ProviderError({ provider: 'github', code: 'unexpected', message: '', retryAfterMs }).retryAfterMs;
  expect([Number.NaN, -5, 1e303, Number.POSITIVE_INFINITY, 90_000].map(pauseOf)).toEqual([0, 0, day, day, 90_000]);
});

test('returns a next page only if its number is higher', () => {
  const link = fc
    .tuple(
      fc.constantFrom('<https://api.github.com/x?page=', '<?page=', '<'),
      headerText,
      fc.constantFrom('>; rel="next"', '&per_page=1>; rel="next"', ''),
    )
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(
      fc.oneof(
        link,
        headerText,
        fc.nat().map((page) => `<x?page=${page}>; rel="next"`),
      ),
      fc.nat(1_000),
      (text, page) => {
        const next = nextPage({ headers: { link: text } }, page);
        if (next !== undefined) expect(Number.isSafeInteger(next) && next > page).toBe(true);
      },
    ),
  );
});

test('follows a redirect within the host, and rejects any other', () => {
  const url = new URL('https://github.example/a?b=c');
  fc.assert(
    fc.property(
      fc.oneof(
        addressText,
        headerText,
        headerText.map((path) => `/${path}`),
      ),
      (location) => {
        const answer = { status: 302, headers: new Map([['location', location]]) };
        const get = (name: string) => answer.headers.get(name) ?? null;
        try {
          const next = nextHop({ url, headers: new Headers() }, 'GET', { status: 302, headers: { get } });
          expect(next?.url.hostname).toBe('github.example');
        } catch (error) {
          expect(error).toMatchObject({ code: 'redirect_refused' });
        }
      },
    ),
  );
});

test('trusts or rejects any realm without another error', () => {
  const registry = new URL('https://registry.acme.com');
  fc.assert(
    fc.property(addressText, fc.option(addressText, { nil: undefined }), (realm, pinned) => {
      expect(['string', 'undefined']).toContain(typeof realmHost(realm));
      try {
        expect(trustedRealm(registry, realm, pinned).protocol).toBe('https:');
      } catch (error) {
        expect(error).toMatchObject({ code: 'realm_not_trusted' });
      }
    }),
  );
});

test('never throws for any challenge', () => {
  const challenge = fc
    .tuple(fc.constantFrom('Bearer realm="', 'Basic realm=', 'bearer ', ''), headerText)
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(challenge, (text) => {
      const answer = { status: 401, headers: new Headers({ 'www-authenticate': text.trim() }), codes: [] };
      expect([undefined, 'basic', 'bearer']).toContain(wayInOf(answer)?.scheme);
    }),
  );
});

test('never throws for any token', () => {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value) ?? '').toString('base64url');
  const access = fc.record({
    access: fc.oneof(
      fc.jsonValue(),
      fc.array(fc.record({ type: fc.constant('repository'), name: fc.jsonValue(), actions: fc.jsonValue() })),
    ),
  });
  const token = fc.oneof(
    anyText,
    fc.oneof(fc.jsonValue(), access).map((claims) => `e30.${part(claims)}.c2ln`),
  );
  fc.assert(
    fc.property(token, (text) => {
      expect([true, false]).toContain((accessIn(text) ?? new Map()) instanceof Map);
      expect(grantedBy(text)('acme/app')).toBeInstanceOf(Set);
    }),
  );
});

test('never throws for any workflow file', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      'on:',
      '\n',
      '  ',
      'workflow_dispatch',
      ': ',
      '&a ',
      '*a',
      '- ',
      '{',
      '}',
      '[',
      '!!js/function ',
      '%YAML 1.1\n---\n',
      'inputs',
      'run-name: $',
      '{{ inputs.fairlead_build }}',
    ),
    anyText,
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
      const { readable, missingInputs } = inspectWorkflow(pieces.join(''), ['fairlead_build']);
      expect(readable).toBeTypeOf('boolean');
      expect(missingInputs.length).toBeLessThanOrEqual(1);
    }),
  );
});
