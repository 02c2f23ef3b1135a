import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { appsFor } from '../../../db/builds/apps.ts';
import { countEndedBuilds, countOpenBuilds } from '../../../db/builds/build-counts.ts';
import { buildEventsFor } from '../../../db/builds/build-events.ts';
import { buildsFor } from '../../../db/builds/builds.ts';
import { pipelinesFor } from '../../../db/builds/pipelines.ts';
import { cloudAccountsFor } from '../../../db/clouds/cloud-accounts.ts';
import { deliveriesFor } from '../../../db/deliveries/deliveries.ts';
import { leasesFor } from '../../../db/exchange/leases.ts';
import { installationsFor } from '../../../db/github/installations.ts';
import { repositoriesIn } from '../../../db/github/repositories.ts';
import { grantsFor } from '../../../db/integrations/grants.ts';
import { integrationsFor } from '../../../db/integrations/integrations.ts';
import { listAudit } from '../../../db/ops/audit.ts';
import { allIncidents, incidentsFor } from '../../../db/ops/incidents.ts';
import { projectsFor } from '../../../db/people/projects.ts';
import { tokensFor } from '../../../db/people/tokens.ts';
import { connect, type Database, type Db } from '../../../db/store/connection.ts';
import { migrate } from '../../../db/store/migrate.ts';
import type { PageRequest } from '../../../db/store/page.ts';
import { everything, type TenantScope } from '../../../db/store/tenant.ts';

// SQLite explains its plan of a query without rows. The indexes are the same on Postgres.
let database: Database;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'fairlead-indexes-'));
  database = connect({ sqliteFile: path.join(folder, 'fairlead.db') });
  await migrate(database);
});

afterAll(async () => {
  await database?.close();
  rmSync(folder, { recursive: true, force: true });
});

const ofOrg: TenantScope = { kind: 'grants', grants: [{ orgId: 'org_1' }] };
const ofProject: TenantScope = { kind: 'grants', grants: [{ orgId: 'org_1', projectId: 'prj_1' }] };
const firstPage = { limit: 50 };
const laterPage = { limit: 50, after: 'x' };

type List = (db: Db, scope: TenantScope, page: PageRequest) => Promise<unknown>;

const lists: Record<string, List> = {
  projects: (db, scope, page) => projectsFor(db, scope).list(page),
  'projects of an organization': (db, scope, page) => projectsFor(db, scope).list(page, 'org_1'),
  'apps of a project': (db, scope, page) => appsFor(db, scope).list('prj_1', page),
  'pipelines of an app': (db, scope, page) => pipelinesFor(db, scope).list('app_1', page),
  builds: (db, scope, page) => buildsFor(db, scope).list({}, page),
  'builds of a project': (db, scope, page) => buildsFor(db, scope).list({ projectId: 'prj_1' }, page),
  'builds of an app': (db, scope, page) => buildsFor(db, scope).list({ appId: 'app_1' }, page),
  'builds of a pipeline': (db, scope, page) => buildsFor(db, scope).list({ pipelineId: 'pip_1' }, page),
  'events of a build': (db, scope, page) => buildEventsFor(db, scope).list('bld_1', page),
  incidents: (db, scope, page) => incidentsFor(db, scope).list(page),
  'incidents of a project': (db, scope, page) => incidentsFor(db, scope).list(page, { projectId: 'prj_x' }),
  'incidents of a subject': (db, scope, page) => incidentsFor(db, scope).list(page, { subjectId: 'int_x' }),
  leases: (db, scope, page) => leasesFor(db, scope).list({}, page),
  'leases of a project': (db, scope, page) => leasesFor(db, scope).list({ projectId: 'prj_1' }, page),
  'leases of an integration': (db, scope, page) => leasesFor(db, scope).list({ integrationId: 'int_1' }, page),
  'leases of a build': (db, scope, page) => leasesFor(db, scope).list({ buildId: 'bld_1' }, page),
  'cloud accounts': (db, scope, page) => cloudAccountsFor(db, scope).list(page),
  tokens: (db, scope, page) => tokensFor(db, scope).list(page),
  'audit events': (db, scope, page) => listAudit(db, scope, page),
};

/** A project's own and granted integrations come from two indexes and are sorted. Nothing else is read. */
const withGranted: Record<string, List> = {
  integrations: (db, scope, page) => integrationsFor(db, scope).list({}, page),
  'integrations of a project': (db, scope, page) => integrationsFor(db, scope).list({ projectId: 'prj_1' }, page),
  'grants of an integration': (db, scope, page) => grantsFor(db, scope).list('int_1', page),
};

/** The repositories of an integration may be in several installations. They are sorted, and nothing else is read. */
const ofIntegration: Record<string, List> = {
  'installations of an integration': (db, scope, page) => installationsFor(db, scope).listOf('int_1', page),
  'repositories of an integration': (db, _, page) => repositoriesIn(db).listReachable('int_1', page),
};

/** SQLite's plan for the list's query, for its first page and for a later one. */
async function plansOf(list: List, scope: TenantScope): Promise<string[]> {
  const asked: { sql: string; bindings: readonly unknown[] }[] = [];
  const note = (query: { sql: string; bindings: readonly unknown[] }) => void asked.push(query);
  database.reader.on('query', note);
  for (const page of [firstPage, laterPage]) await list(database.reader, scope, page);
  database.reader.off('query', note);
  const plans: string[] = [];
  for (const { sql, bindings } of asked) {
    const steps: { detail: string }[] = await database.reader.raw(`explain query plan ${sql}`, bindings as never);
    plans.push(...steps.map(({ detail }) => detail));
  }
  return plans;
}

/** Finds plans that read rows to discard them: all rows, or all rows older than the previous page. */
const wasteful = (plans: string[]) => plans.filter((step) => /^SCAN|\(id<\?\)/.test(step));
const sorted = (plans: string[]) => plans.filter((step) => step.includes('TEMP B-TREE'));

describe.each([
  ['an organization', ofOrg],
  ['a project', ofProject],
])('for %s', (_, scope) => {
  test.each(Object.entries({ ...lists, ...withGranted, ...ofIntegration }))(
    'finds the list of %s with an index',
    async (_name, list) => {
      const plans = await plansOf(list, scope);
      expect(plans.length).toBeGreaterThan(1);
      expect(wasteful(plans)).toEqual([]);
    },
  );

  test.each(Object.entries(lists))('reads the list of %s in its order', async (_name, list) => {
    expect(sorted(await plansOf(list, scope))).toEqual([]);
  });
});

test('reads the integrations of an organization in their order', async () => {
  expect(sorted(await plansOf((db, scope, page) => integrationsFor(db, scope).list({}, page), ofOrg))).toEqual([]);
});

const ofOperators: Record<string, List> = {
  ...lists,
  integrations: (db, scope, page) => integrationsFor(db, scope).list({}, page),
  deliveries: (db, scope, page) => deliveriesFor(db, scope).list({}, page),
  installations: (db, scope, page) => installationsFor(db, scope).list({}, page),
};

test.each(Object.entries(ofOperators))('reads the list of %s for operators in its order', async (_, list) => {
  const plans = await plansOf(list, everything);
  expect(plans.filter((step) => /^SCAN(?!.* USING INDEX)/.test(step))).toEqual([]);
  expect(sorted(plans)).toEqual([]);
});

test('finds the deliveries of an organization with an index', async () => {
  const plans = await plansOf((db, scope, page) => deliveriesFor(db, scope).list({}, page), ofOrg);
  expect([...wasteful(plans), ...sorted(plans)]).toEqual([]);
});

test('notices a list without an index', async () => {
  const plans = await plansOf((db) => db('builds').where({ sha: 'x' }).orderBy('created_at'), everything);
  expect(wasteful(plans)).not.toEqual([]);
  expect(sorted(plans)).not.toEqual([]);
});

const counts: Record<string, [index: string, count: (db: Db) => Promise<unknown>]> = {
  'builds that have not ended': ['builds_unfinished', countOpenBuilds],
  'builds that ended lately': ['builds_ended', (db) => countEndedBuilds(db, 1)],
  'open incidents': ['incidents_open', (db) => allIncidents(db).countOpen()],
};

test.each(Object.entries(counts))('counts %s for the metrics in an index of these rows', async (_, [index, count]) => {
  const plans = await plansOf(count, everything);
  expect(plans.filter((step) => / (builds|incidents)\b/.test(step))).not.toEqual([]);
  for (const step of plans.filter((one) => !one.includes('TEMP B-TREE'))) expect(step).toContain(`INDEX ${index}`);
});
