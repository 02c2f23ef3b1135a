import { expect, test } from 'vitest';
import { askProvider } from '../../../api/http/ask-provider.ts';
import { catalogue, type Problem } from '../../../api/http/problems.ts';
import type { AskedFor } from '../../../domain/ops/failure-facts.ts';
import { type ProviderErrorCode, providerFailures } from '../../../domain/ops/provider-failures.ts';
import { ProviderError } from '../../../providers/failure.ts';
import { registryCodes } from '../../support/fakes/registry-codes.ts';

/** The codes of failures that may pass within a minute without any change. */
const passing = [
  'clock_skew',
  'network',
  'rate_limited',
  'secondary_limited',
  'session_expired',
  'timeout',
  'unavailable',
  'unexpected',
];

async function problemFor(code: ProviderErrorCode, ...asked: AskedFor[]): Promise<Problem> {
  const refusal = askProvider(
    () => {
      throw new ProviderError({ provider: 'registry', code, message: 'No' });
    },
    ...asked,
  );
  return refusal.then(
    () => expect.unreachable(),
    (error) => error,
  );
}

test.each(registryCodes)('%s of a registry shows whether a retry can help', async (code) => {
  const problem = await problemFor(code, 'registry');
  expect(problem).toMatchObject({ extra: { members: { provider_code: code } } });
  expect(Object.keys(catalogue)).toContain(problem.code);
  expect(problem.code === 'provider_unavailable').toBe(passing.includes(code));
});

const unreachable = ['gone', 'installation_gone', 'installation_suspended', 'moved', 'not_found'].map(
  (code) => [code, 'repository_not_reachable'] as const,
);
const rejected = (...codes: ProviderErrorCode[]) => codes.map((code) => [code, 'credential_rejected'] as const);

/** The failures that have their own problem code, by the kind of request. */
const ofGitHub = [
  ['repository', unreachable],
  ['token', [...unreachable, ['permission_missing', 'permission_missing']]],
  [
    'app',
    [
      ['address_refused', 'host_not_allowed'],
      ['app_credentials_rejected', 'github_app_rejected'],
    ],
  ],
  [
    'host',
    [
      ['address_refused', 'host_not_allowed'],
      ['unexpected', 'host_not_supported'],
    ],
  ],
] as const;

async function ownProblems(provider: 'github' | 'gcp', ...asked: AskedFor[]) {
  const codes = (Object.keys(providerFailures) as ProviderErrorCode[]).filter((code) =>
    (providerFailures[code].from as readonly string[]).includes(provider),
  );
  const found = await Promise.all(codes.map(async (code) => [code, (await problemFor(code, ...asked)).code] as const));
  return found.filter(([, problem]) => problem !== 'provider_unavailable').sort();
}

test.each(ofGitHub)(
  'names the failures that the caller can fix, when the request to GitHub is for: %s',
  async (asked, own) => {
    expect(await ownProblems('github', asked)).toEqual(own);
  },
);

test('treats a request without a kind as a request for a repository', async () => {
  expect(await ownProblems('github')).toEqual(unreachable);
});

test('a rejected consent at Google is not an outage', async () => {
  const codes = ['client_credentials_rejected', 'consent_incomplete', 'oauth_code_refused', 'redirect_uri_mismatch'];
  expect(await ownProblems('gcp', 'consent')).toEqual(
    expect.arrayContaining(rejected(...(codes as ProviderErrorCode[]))),
  );
  for (const code of ['permission_missing', 'validation', 'address_refused', 'unexpected'] as const) {
    expect((await problemFor(code, 'consent')).code).toBe('provider_unavailable');
  }
});
