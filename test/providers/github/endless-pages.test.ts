import { expect, test } from 'vitest';
import { scriptedGitHub } from '../../support/fakes/scripted-github.ts';
import { rsaKeyPair } from '../../support/rsa-keys.ts';

const { privateKey } = rsaKeyPair();

const installation = {
  id: 5,
  app_id: 7,
  account: { id: 9, login: 'acme', type: 'Organization' },
  target_type: 'Organization',
  repository_selection: 'selected',
  permissions: { metadata: 'read' },
  events: ['push'],
  suspended_at: null,
  html_url: 'https://github.com/organizations/acme/settings/installations/5',
};
const repository = {
  id: 1,
  owner: { login: 'acme' },
  name: 'web',
  full_name: 'acme/web',
  html_url: 'https://github.com/acme/web',
  private: true,
  default_branch: 'main',
};
const request = {
  id: 1,
  account: installation.account,
  requester: { id: 3, login: 'mona' },
  created_at: '2026-11-01T00:00:00Z',
};
const attempt = { id: 1, guid: 'g', event: 'push', delivered_at: '2026-11-01T00:00:00Z', redelivery: false };

type GitHub = Awaited<ReturnType<typeof scriptedGitHub>>['github'];
const asApp = (github: GitHub) => github.asApp({ appId: 7, privateKey });
const of = <One extends { id: number }>(one: One, count: number) =>
  Array.from({ length: count }, (_, at) => ({ ...one, id: at + 1 }));

const lists: [string, (github: GitHub) => Promise<unknown>, (count: number) => unknown][] = [
  ['installations', (github) => asApp(github).listInstallations(), (count) => of(installation, count)],
  ['requests', (github) => asApp(github).listInstallationRequests(), (count) => of(request, count)],
  ['the log', (github) => asApp(github).listHookDeliveries(), (count) => of(attempt, count)],
  [
    'repositories',
    (github) => github.withToken('ghs_x').listRepositories(),
    (count) => ({ total_count: count, repositories: of(repository, count) }),
  ],
  [
    'what a person sees',
    (github) => github.asUser('ghu_x').seesInstallation(1),
    (count) => ({ total_count: count, installations: of(installation, count) }),
  ],
];

test.each(lists)('rejects a page of %s with more entries than requested', async (_, list, bodyOf) => {
  const { github } = await scriptedGitHub([{ body: bodyOf(100) }, { body: bodyOf(101) }]);
  await list(github);
  await expect(list(github)).rejects.toMatchObject({ name: 'ProviderError', code: 'unexpected', status: 200 });
});

test('keeps no names that GitHub never returns', async () => {
  const long = 'x'.repeat(1_001);
  const many = Array.from({ length: 1_001 }, (_, at) => `e${at}`);
  const { github } = await scriptedGitHub([
    {
      body: [
        { ...installation, id: 1, account: { ...installation.account, login: long } },
        { ...installation, id: 2, events: many },
        { ...installation, id: 3, permissions: Object.fromEntries(many.map((name) => [name, 'read'])) },
        { ...installation, id: 4, permissions: { [long]: 'read' } },
        { ...installation, id: 5 },
      ],
    },
    { body: { total_count: 1, repositories: [{ ...repository, default_branch: long }] } },
  ]);
  const page = await asApp(github).listInstallations();
  expect(page.unreadable).toEqual([1, 2, 3, 4]);
  expect(page.installations.map(({ id }) => id)).toEqual([5]);
  await expect(github.withToken('ghs_x').listRepositories()).rejects.toMatchObject({ code: 'unexpected' });
});
