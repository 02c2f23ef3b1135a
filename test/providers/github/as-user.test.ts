import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { ProviderError } from '../../../providers/failure.ts';
import { scriptedGitHub } from '../../support/fakes/scripted-github.ts';

const token = 'ghu_canaryCanaryCanaryCanaryCanaryCanary';

async function failureOf(work: Promise<unknown>): Promise<ProviderError> {
  const error = await work.then(
    () => undefined,
    (failure: unknown) => failure,
  );
  expect(error).toBeInstanceOf(ProviderError);
  const { stack } = error as ProviderError;
  expect(inspect(error, { depth: 10 }) + stack + JSON.stringify(error)).not.toContain('anaryCanary');
  return error as ProviderError;
}

const membership = { role: 'admin', state: 'active', organization: { id: 9000, login: 'acme' } };
const installations = (...ids: number[]) => ({ total_count: ids.length, installations: ids.map((id) => ({ id })) });
const nextIs = (page: number) => ({ link: `<https://elsewhere.example/?page=${page}>; rel="next"` });

test('returns a membership with the number of its organization, with the person’s own token', async () => {
  const { github, seen } = await scriptedGitHub([{ body: membership }]);
  const found = await github.asUser(token).getMembership('acme');
  expect(found).toEqual({ role: 'admin', state: 'active', organizationId: 9000 });
  expect(seen[0]).toMatchObject({
    method: 'GET',
    path: '/user/memberships/orgs/acme',
    headers: { authorization: `token ${token}` },
  });
});

test('sends no request for an invalid login', async () => {
  const { github, seen } = await scriptedGitHub([{ status: 404, body: { message: 'Not Found' } }]);
  expect(await github.asUser(token).getMembership('acme/../../user?x=')).toBeUndefined();
  expect(seen[0]?.path).toBe('/user/memberships/orgs/acme%2F..%2F..%2Fuser%3Fx%3D');
  expect(await failureOf(github.asUser(token).getMembership('..'))).toMatchObject({ code: 'validation' });
  expect(seen).toHaveLength(1);
});

test.each([
  [
    'members that the App may not read',
    { status: 403, body: { message: 'Resource not accessible by integration' } },
    'permission_missing',
  ],
  [
    'an organization behind its own sign-in',
    {
      status: 403,
      headers: { 'x-github-sso': 'required; url=https://x.example' },
      body: { message: 'Resource protected by organization SAML enforcement.' },
    },
    'policy',
  ],
  ['a token that is over', { status: 401, body: { message: `Bad credentials: ${token}` } }, 'token_rejected'],
  ['a limit', { status: 403, headers: { 'retry-after': '7' } }, 'secondary_limited'],
  ['an answer about no organization', { body: { ...membership, organization: { login: 'acme' } } }, 'unexpected'],
  ['a GitHub that breaks off', { drop: true }, 'network'],
  ['a GitHub that says nothing', { hang: true }, 'timeout'],
] as const)('takes %s as a failure, never as a membership', async (_, answer, code) => {
  const { github } = await scriptedGitHub([answer], 'hang' in answer ? { timeoutMs: 200 } : {});
  // A read can be repeated, so none is ambiguous.
  expect(await failureOf(github.asUser(token).getMembership('acme'))).toMatchObject({ code, ambiguous: false });
});

test('looks for an installation on every page, and never follows a page’s URL', async () => {
  const { github, seen } = await scriptedGitHub([
    { body: installations(1, 2), headers: nextIs(2) },
    { body: installations(3) },
  ]);
  expect(await github.asUser(token).seesInstallation(3)).toBe(true);
  expect(seen.map(({ path }) => path)).toEqual([
    '/user/installations?per_page=100&page=1',
    '/user/installations?per_page=100&page=2',
  ]);
  expect(await github.asUser(token).seesInstallation(4)).toBe(false);
});

test('stops reading an endless list', async () => {
  const endless = await scriptedGitHub(
    Array.from({ length: 20 }, (_, at) => ({ body: installations(1), headers: nextIs(at + 2) })),
  );
  expect(await endless.github.asUser(token).seesInstallation(7)).toBe(false);
  expect(endless.seen).toHaveLength(10);
  const circle = await scriptedGitHub([{ body: installations(1), headers: nextIs(1) }]);
  expect(await circle.github.asUser(token).seesInstallation(7)).toBe(false);
  expect(circle.seen).toHaveLength(1);
});
