import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import type { Account, App, GitHubStandIn } from '../../../stand-ins/github/stand-in.ts';
import { startApi, type TestApi } from '../api.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { startGitHub } from '../github.ts';
import { connectorTo, flowRows, giveClient } from './connect-flow.ts';
import { connectSteps } from './connect-steps.ts';
import { addOperatorApp } from './operator-app.ts';
import { addOrg, addProject } from './tenants.ts';

const alice: Account = { login: 'alice', id: 71, type: 'User' };

/** Waits long enough for another transaction to get as far as it can. */
export const pause = () => sleep(300);

/** Starts an API and a GitHub with the operator's App. Each test gets a new organization with a project. */
export function useDeletionScene() {
  const scene = {} as {
    database: TestDatabase;
    github: GitHubStandIn;
    api: TestApi;
    app: { id: string; theirs: App };
    owner: { orgId: string; projectId: string };
  };

  beforeAll(async () => {
    const [database, github] = await Promise.all([openTestDatabase(), startGitHub()]);
    const api = await startApi({ database });
    const app = await addOperatorApp(database, github, { hostUrl: github.url });
    await giveClient(database, app.id, app.theirs);
    Object.assign(scene, { database, github, api, app });
  });
  beforeEach(async () => {
    const orgId = await addOrg(scene.database);
    scene.owner = { orgId, projectId: await addProject(scene.database, orgId) };
  });
  afterEach(() => {
    expect(scene.github.violations).toEqual([]);
  });
  afterAll(async () => {
    await scene.api?.stop();
    await scene.github?.close();
  });

  return Object.assign(scene, {
    /** Returns the statuses of the organization's integrations. */
    async integrations(): Promise<string[]> {
      const rows = await scene.database.reader('integrations').where({ org_id: scene.owner.orgId });
      return rows.map(({ status }) => status);
    },

    /** Takes a flow of the operator's App as far as the sign-in. */
    async signedIn() {
      const { database, github, app, owner } = scene;
      const rows = flowRows(database, github);
      const steps = connectSteps(database, connectorTo(database, github));
      const installation = github.addInstallation(app.theirs, { account: { ...alice, id: alice.id + 1 } });
      const flow = await rows.installing(owner, app.id);
      await rows.land(flow, app.theirs, { installationId: installation.id, user: installation.account });
      await steps.identifyInstaller({ flowId: flow.id });
      return { flow, steps, installation, find: () => rows.find(flow.id) };
    },
  });
}
