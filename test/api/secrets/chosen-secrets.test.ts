import { afterAll, beforeAll, expect, test } from 'vitest';
import { startApi, type TestApi } from '../../support/api.ts';
import { addEverything, addOrg, addProject, type Tenant } from '../../support/scenes/tenants.ts';

let api: TestApi;
let tenant: Tenant;

beforeAll(async () => {
  api = await startApi();
  const orgId = await addOrg(api.database);
  tenant = await addEverything(api.database, { orgId, projectId: await addProject(api.database, orgId) });
});
afterAll(() => api?.stop());

const ways: [string, string, (secret: string) => [string, object]][] = [
  [
    'a rotation',
    'body.secret',
    (secret) => [`/v1/integrations/${tenant.integrationId}/credentials/rotate`, { kind: 'webhook_secret', secret }],
  ],
  [
    'an import',
    'body.webhook_secret',
    (secret) => [
      '/v1/integrations/github/import',
      {
        ...{ project_id: tenant.projectId, app_id: 1, private_key: 'x'.repeat(200), client_secret: 'a client secret' },
        webhook_secret: secret,
      },
    ],
  ],
];

test.each(ways)('%s refuses a webhook secret that a person could guess', async (_, field, requestFor) => {
  for (const secret of ['too short', 'a'.repeat(40), 'hunter2!'.repeat(4), 'change-me-right-now-42']) {
    const [path, body] = requestFor(secret);
    const refused = await api.admin.send('POST', path, body);
    expect(refused).toMatchObject({
      status: 422,
      body: {
        code: 'secret_guessable',
        errors: [{ path: field, message: expect.stringContaining('is easy to guess') }],
      },
    });
    expect(JSON.stringify(refused.body)).not.toContain(secret);
  }
});

test.each(ways)('%s accepts a random webhook secret from GitHub or a person', async (_, _field, requestFor) => {
  for (const secret of ['4f0c9d1be2a84d1f9a7b3c5e6d8f0a1b2c3d4e5f', 'correct horse battery staple']) {
    const [path, body] = requestFor(secret);
    expect((await api.admin.send<{ code?: string }>('POST', path, body)).body.code).not.toBe('secret_guessable');
  }
});
