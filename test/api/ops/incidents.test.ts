import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { allIncidents } from '../../../db/ops/incidents.ts';
import { beat } from '../../../db/ops/relays.ts';
import { incidentCatalogue, instanceSubject } from '../../../domain/ops/incidents.ts';
import { startApi, type TestApi } from '../../support/api.ts';
import { addEverything, addOrg, addProject, addToken, addUser, type Tenant } from '../../support/scenes/tenants.ts';

let api: TestApi;
let orgId: string;
let tenant: Tenant;
let client: ReturnType<TestApi['as']>;

beforeAll(async () => {
  api = await startApi();
  orgId = await addOrg(api.database);
  tenant = await addEverything(api.database, { orgId, projectId: await addProject(api.database, orgId) });
  client = api.as((await addToken(api.database, { orgId })).secret);
});
afterAll(() => api.stop());

type Shown = { id: string; code: string; status: string; link: string | null; action: string; count: number };

const raise = (code: keyof typeof incidentCatalogue, subjectId: string, more: { orgId?: string | null } = {}) =>
  api.database.write((trx) =>
    allIncidents(trx).raise({ orgId, projectId: tenant.projectId, code, subjectId, ...more }),
  );

test('incidents are filtered by code, subject and project', async () => {
  await raise('installation_suspended', tenant.integrationId);
  await raise('installation_suspended', 'int_another');
  const codes = async (query: string) => {
    const found = await client.ask<Shown[]>('GET', `/v1/incidents?${query}`);
    return found.map(({ code }) => code).sort();
  };
  expect(await codes('status=open')).toHaveLength(3);
  expect(await codes('code=installation_suspended')).toHaveLength(2);
  expect(await codes(`subject_id=${tenant.integrationId}`)).toEqual(['installation_suspended']);
  expect(await codes(`project_id=${tenant.projectId}&code=dispatch_uncertain`)).toEqual(['dispatch_uncertain']);
  expect(await codes(`project_id=${await addProject(api.database, orgId)}`)).toEqual([]);
  expect((await client.send('GET', '/v1/incidents?code=made_up')).status).toBe(400);
});

test('incidents show the action of the catalogue if no specific one is given', async () => {
  const [incident] = await client.ask<Shown[]>('GET', `/v1/incidents?subject_id=${tenant.integrationId}`);
  const { title, action } = incidentCatalogue.installation_suspended;
  expect(await client.ask('GET', `/v1/incidents/${incident?.id}`)).toMatchObject({ title, action, link: null });
});

describe('resolving an incident', () => {
  test('works once, with one audit row, and the same problem then opens another incident', async () => {
    await raise('installation_gone', tenant.integrationId);
    const query = `/v1/incidents?code=installation_gone&subject_id=${tenant.integrationId}`;
    const [incident] = await client.ask<Shown[]>('GET', query);
    const { session, id: userId } = await addUser(api.database, orgId, 'admin');
    const resolve = () =>
      api.as(session).send<Shown & { resolved_at: number }>('POST', `/v1/incidents/${incident?.id}/resolve`);
    const first = await resolve();
    expect(first).toMatchObject({ status: 200, body: { status: 'resolved' } });
    expect((await resolve()).body.resolved_at).toBe(first.body.resolved_at);
    const audited = await api.database.reader('audit_events').where({ target: incident?.id ?? '' });
    expect(audited.map(({ actor, action, detail }) => [actor, action, detail])).toEqual([
      [`user:${userId}`, 'incident.resolved', '{"code":"installation_gone"}'],
    ]);

    await raise('installation_gone', tenant.integrationId);
    await raise('installation_gone', tenant.integrationId);
    const all = await client.ask<Shown[]>('GET', query);
    expect(all.map(({ status, count }) => [status, count])).toEqual([
      ['open', 2],
      ['resolved', 1],
    ]);
  });

  test('requires the right, and only works in one’s own organization', async () => {
    const [incident] = await client.ask<Shown[]>('GET', `/v1/incidents?subject_id=${tenant.buildId}`);
    const path = `/v1/incidents/${incident?.id}/resolve`;
    const { session } = await addUser(api.database, orgId, 'developer');
    expect((await api.as(session).send('POST', path)).status).toBe(403);
    const stranger = api.as((await addToken(api.database, { orgId: await addOrg(api.database) })).secret);
    expect((await stranger.send('POST', path)).status).toBe(404);
    expect((await stranger.send('GET', `/v1/incidents/${incident?.id}`)).status).toBe(404);
    expect((await client.ask<Shown>('GET', `/v1/incidents/${incident?.id}`)).status).toBe('open');
  });
});

test('incidents of the instance are shown to operators, and a wrong clock appears in the readiness', async () => {
  await api.database.write((trx) => beat(trx, { id: 'relay', temporalReachable: true }));
  const ready = async () => (await fetch(`${api.url}/readyz`)).json();
  expect(await ready()).toEqual({ status: 'ok', reason: null });
  await raise('clock_skew', instanceSubject, { orgId: null });
  expect(await ready()).toEqual({ status: 'degraded', reason: 'clock_skew' });
  expect(await client.ask('GET', '/v1/incidents?code=clock_skew')).toEqual([]);
  const [incident] = await api.admin.ask<Shown[]>('GET', '/v1/incidents?code=clock_skew');
  expect(incident?.action).toContain('NTP');
  await api.database.write((trx) => allIncidents(trx).resolveSubject('clock_skew', instanceSubject));
  expect(await ready()).toEqual({ status: 'ok', reason: null });
});
