import { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import type { AllowedHost } from '../../domain/connect/allowed-hosts.ts';
import { tenantHostUrl } from '../../domain/connect/host-url.ts';
import { imageRepository, repositoryNameAdvice } from '../../domain/registries/image-repository.ts';
import {
  cloudKindOf,
  type RegistryHost,
  type RegistryKind,
  registryHost,
} from '../../domain/registries/registry-hosts.ts';
import { registryPurposes } from '../../domain/registries/registry-purposes.ts';
import { shortLivedLogin } from '../../domain/registries/short-lived-logins.ts';
import { lineOfText, secretText } from '../http/input.ts';
import { Problem, type ProblemCode } from '../http/problems.ts';

/** The problems that the fields of a registry can cause. */
export const registryProblems: ProblemCode[] = [
  'not_found',
  'integration_exists',
  'host_not_allowed',
  'registry_host_mismatch',
  'credentials_not_allowed_for_kind',
  'credentials_short_lived',
];

/** The limit on repositories. Each verification makes two requests for each of them. */
const mostRepositories = 20;

// A colon would end the user name, and a header must not contain control characters. People see it in the default name.
const username = lineOfText.regex(/^[^:]{1,256}$/, 'must have 1 to 256 characters and no colon');
const password = secretText(1, 16_384);

export const Credentials = z
  .strictObject({ username, password })
  .describe('Prefer an access token to a password. Never returned');
/** New credentials. If you omit the user name, it does not change. */
export const NewCredentials = z.strictObject({ username: username.optional(), password });

export const registry = z
  .string()
  .min(1)
  .max(300)
  .describe(
    'The host of the registry as in image references: `ghcr.io`, `123456789012.dkr.ecr.eu-west-1.amazonaws.com`',
  );
export const repositories = z
  .array(z.string().min(1).max(300))
  .max(mostRepositories)
  .describe('Names of images such as `acme/shop`. Fairlead verifies the `purposes` for each of them');
export const purposes = z
  .array(z.enum(registryPurposes))
  .min(1)
  .max(2)
  .overwrite((all) => registryPurposes.filter((one) => all.includes(one)))
  .describe(
    'What the registry is used for; pull and push if you omit it. Fairlead verifies these, and rejects an exchange for another purpose. It does not limit credentials: one to push can also pull, and a stored password can do what its user can',
  );
export const realm = z
  .string()
  .min(1)
  .max(300)
  .refine(isHost, 'must be a host, with its port if that is not 443')
  .describe('The host of a token service. If you send it, you allow Fairlead to send the credentials there');
export const caPem = z
  .string()
  .max(65_536)
  .refine(isCertificates, 'must contain only certificates in PEM')
  .describe('The certificates of a private certificate authority, in PEM');

/** Returns the registry's host, if it fits the kind and is allowed. */
export function registryOf(kind: RegistryKind, text: string, allowedHosts: readonly AllowedHost[]): RegistryHost {
  const host = hostOf(text.trim(), allowedHosts);
  if (!host) {
    const owner = cloudKindOf(text.trim().replace(/^https?:\/\//i, ''));
    const advice = owner
      ? `The host belongs to \`${owner}\` but is not a registry. Check its name.`
      : 'Send only the host as in image references, without a path, user or tag.';
    throw new Problem('registry_host_mismatch', advice, {
      errors: [{ path: 'body.registry', message: 'must be the host of a registry' }],
    });
  }
  if (host.kind !== kind) throw new Problem('registry_host_mismatch', mismatch(kind, host));
  if (host.kind === 'gar' && host.universe !== 'googleapis.com') {
    const advice = `${host.host} belongs to the Google Cloud universe ${host.universe}. You can only connect registries of googleapis.com.`;
    throw new Problem('registry_host_mismatch', advice);
  }
  if (kind === 'oci' && tenantHostUrl(host.origin, allowedHosts) === undefined) {
    const advice =
      'Send the public name of the host without a port. The operator can allow other hosts with FAIRLEAD_ALLOWED_HOSTS.';
    throw new Problem('host_not_allowed', advice);
  }
  return host;
}

/** Without a scheme, a host means https, or plain HTTP if the operator has allowed only that for the host. */
function hostOf(text: string, allowedHosts: readonly AllowedHost[]): RegistryHost | undefined {
  const host = registryHost(text);
  if (host?.kind !== 'oci' || text.includes('://')) return host;
  const plain = { ...host, origin: `http://${host.host}` };
  const isAllowed = ({ origin }: RegistryHost) => tenantHostUrl(origin, allowedHosts) !== undefined;
  return !isAllowed(host) && isAllowed(plain) ? plain : host;
}

function mismatch(kind: RegistryKind, host: RegistryHost): string {
  if (host.kind === 'oci') return `${host.host} is not a registry of \`${kind}\`. Send \`provider: "oci"\`.`;
  const how = host.kind === 'dockerhub' ? '`credentials`' : 'a `cloud_account_id` and no credentials';
  return `${host.host} is a registry of \`${host.kind}\`. Send \`provider: "${host.kind}"\` with ${how}.`;
}

/** Returns the registry's names of the repositories, without duplicates. */
export function repositoriesOf(host: RegistryHost, names: readonly string[]): string[] {
  const found = names.map((text, at) => {
    const name = imageRepository(host, text);
    if (name !== undefined) return name;
    const message = repositoryNameAdvice(host, text);
    throw new Problem('invalid_request', `body.repositories.${at}: ${message}`, {
      errors: [{ path: `body.repositories.${at}`, message }],
    });
  });
  return [...new Set(found)];
}

/** Refuses a short-lived token in place of a password, because it stops working within hours. */
export function refuseShortLived({ username: user, password: secret }: z.output<typeof Credentials>): void {
  const service = shortLivedLogin(user, secret);
  if (service === undefined) return;
  throw new Problem(
    'credentials_short_lived',
    `A token of ${service} expires within hours, and Fairlead cannot renew it. Connect the registry with a cloud account instead.`,
  );
}

export function refuseCredentials(kind: string): never {
  throw new Problem(
    'credentials_not_allowed_for_kind',
    `Send \`cloud_account_id\` instead: a registry of \`${kind}\` inherits the access of its cloud account.`,
  );
}

/**
 * Refuses a token service that Fairlead would never ask. It must use https on port 443 and must not have an internal
 * name, unless the operator allows it. A registry on plain HTTP can have a token service on plain HTTP.
 */
export function refuseUnreachableRealm(
  realm: string,
  registryOrigin: string,
  allowedHosts: readonly AllowedHost[],
): void {
  const schemes = registryOrigin.startsWith('http:') ? ['https', 'http'] : ['https'];
  if (schemes.some((scheme) => tenantHostUrl(`${scheme}://${realm}`, allowedHosts) !== undefined)) return;
  const message = 'must be the public name of a host without a port, or a host that the operator allows';
  throw new Problem(
    'host_not_allowed',
    `body.realm: ${message}. The operator can allow other hosts with FAIRLEAD_ALLOWED_HOSTS.`,
    { errors: [{ path: 'body.realm', message }] },
  );
}

function isHost(text: string): boolean {
  return URL.canParse(`https://${text}`) && new URL(`https://${text}`).host === text;
}

/**
 * Returns whether the text has only certificates. Prevents a private key pasted between them from being stored
 * unencrypted.
 */
function isCertificates(text: string): boolean {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[\sA-Za-z0-9+/=]+-----END CERTIFICATE-----/g) ?? [];
  const rest = blocks.reduce((left, block) => left.replace(block, ''), text);
  if (blocks.length === 0 || rest.trim() !== '') return false;
  try {
    for (const block of blocks) new X509Certificate(block);
    return true;
  } catch {
    return false;
  }
}
