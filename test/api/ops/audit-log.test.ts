import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { chainAudit } from '../../../db/ops/audit-chain.ts';
import { startApi, type TestApi } from '../../support/api.ts';
import type { Client } from '../../support/client.ts';
import { addOrg, addToken, addUser } from '../../support/scenes/tenants.ts';

type Row = { action: string; actor: string; target: string; sequence: number | null };

let api: TestApi;
let orgId: string;
let tokenId: string;
let client: Client;

beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());
beforeEach(async () => {
  orgId = await addOrg(api.database);
  const token = await addToken(api.database, { orgId });
  tokenId = token.id;
  client = api.as(token.secret);
});

const newProject = (name: string) =>
  client.ask<{ id: string }>('POST', '/v1/projects', { org_id: orgId, name }).then(({ id }) => id);
const chain = () => api.database.write((trx) => chainAudit(trx));

test('The log lists entries newest first, and filters by actor, action and target', async () => {
  const projectId = await newProject('Audited');
  await client.ask('PATCH', `/v1/projects/${projectId}`, { name: 'Renamed' });
  await api.admin.ask('PATCH', `/v1/projects/${projectId}`, { name: 'Renamed again' });

  const list = async (query: string) =>
    (await client.ask<Row[]>('GET', `/v1/audit?${query}`)).map(({ actor, action }) => `${actor} ${action}`);
  const [token, operator] = [`token:${tokenId}`, 'operator'];
  expect(await list('')).toEqual([
    `${operator} project.updated`,
    `${token} project.updated`,
    `${token} project.created`,
  ]);
  expect(await list(`actor=${token}`)).toEqual([`${token} project.updated`, `${token} project.created`]);
  expect(await list(`target=${projectId}&action=project.created`)).toEqual([`${token} project.created`]);
  expect(await list('actor=nobody')).toEqual([]);
  expect(await list('limit=1')).toEqual([`${operator} project.updated`]);
});

test('A reader of the log can verify its chain, and sees which entries are not in it yet', async () => {
  for (const name of ['One', 'Two', 'Three']) await newProject(name);
  await chain();
  await newProject('Four');
  const path = `/v1/audit/verify?org_id=${orgId}`;
  const intact = await client.ask('GET', path);
  expect(intact).toMatchObject({ chain: orgId, intact: true, length: 3, first_bad_sequence: null, unchained: 1 });
  const sequences = (await client.ask<Row[]>('GET', '/v1/audit')).map(({ sequence }) => sequence);
  expect(sequences).toEqual([null, 3, 2, 1]);

  const second = { chain: orgId, sequence: 2 };
  await api.database.write((trx) => trx('audit_events').where(second).update({ actor: 'user:nobody' }));
  expect(await client.ask('GET', path)).toMatchObject({
    intact: false,
    finding: 'changed',
    detail: 'This row is not as Fairlead wrote it.',
    length: 1,
    first_bad_sequence: 2,
    first_bad_event: expect.stringMatching(/^aud_/),
  });
});

test('compares the log with a head that the caller has kept', async () => {
  for (const name of ['One', 'Two']) await newProject(name);
  await chain();
  const verify = (head: string) =>
    client.ask<{ head: string; intact: boolean }>('GET', `/v1/audit/verify?org_id=${orgId}&head=${head}`);
  const { head } = await verify('0:');
  expect(head).toMatch(/^2:tests\.[0-9a-f]{64}$/);
  await newProject('Three');
  await chain();
  expect(await verify(head)).toMatchObject({ intact: true, finding: 'intact', length: 3, detail: null });
  const other = `${head.slice(0, -4)}0000`;
  expect(await verify(other)).toMatchObject({ intact: false, finding: 'changed', first_bad_sequence: 2 });
  const later = head.replace('2:', '9:');
  expect(await verify(later)).toMatchObject({ intact: false, finding: 'cut', first_bad_sequence: 4 });
  expect((await client.send('GET', '/v1/audit/verify?head=nonsense')).status).toBe(400);
});

test('Only operators can verify the chain of entries without an organization', async () => {
  await chain();
  expect(await api.admin.ask('GET', '/v1/audit/verify')).toMatchObject({ chain: 'instance', intact: true });
  const { session } = await addUser(api.database, orgId, 'owner');
  expect((await api.as(session).send('GET', '/v1/audit/verify')).status).toBe(404);
});
