import { randomUUID } from 'node:crypto';
import { MockActivityEnvironment } from '@temporalio/testing';
import { expect } from 'vitest';
import { withFailures } from '../../../activities/failures.ts';
import { rotationActivities } from '../../../activities/secrets/rotation.ts';
import { githubAppsIn } from '../../../db/github/github-apps.ts';
import { githubAppSecrets } from '../../../db/secrets/github-app-secrets.ts';
import { rotationsIn } from '../../../db/secrets/rotations.ts';
import type { Database } from '../../../db/store/connection.ts';
import type { GithubSecretKind } from '../../../domain/secrets/credential-status.ts';
import type { GitHubStandIn } from '../../../stand-ins/github/stand-in.ts';
import { startApi, type TestApi } from '../api.ts';
import { hookHeaders, keyring, sign } from '../hooks.ts';
import { connectorTo } from './connect-flow.ts';
import { brokerTo } from './operator-app.ts';
import { seed } from './seed.ts';
import { addToken } from './tenants.ts';

export type Rotated = {
  operation: { id: string; status: string; error: { code: string; detail: string } | null; workflow_id: string };
  credential_id: string;
  mode: string;
  settings_url: string;
};
export type CredentialBody = {
  id: string;
  kind: string;
  versions: { version: number; status: string; fingerprint: string | null }[];
  rotation: { id: string; phase: string; operation_id: string } | null;
};

/** An organization's own App, with an account that it connects. */
export async function addOwnApp(database: Database, github: GitHubStandIn, hookUrl = 'http://127.0.0.1:1/hooks') {
  const { orgId, projectId } = await seed(database).org();
  const theirs = github.addApp({ hookUrl });
  const { id } = await database.write(async (trx) => {
    const app = await githubAppsIn(trx).insert({
      orgId,
      hostUrl: github.url,
      apiUrl: github.apiUrl,
      appId: theirs.appId,
      slug: theirs.slug,
      name: theirs.name,
      clientId: theirs.clientId,
    });
    if (!app) throw new Error('The App is there already');
    const secrets = githubAppSecrets(trx, keyring);
    await secrets.put(app.id, orgId, 'private_key', theirs.privateKey);
    await secrets.put(app.id, orgId, 'webhook_secret', theirs.webhookSecret);
    await secrets.put(app.id, orgId, 'client_secret', theirs.clientSecret);
    return app;
  });
  const installation = github.addInstallation(theirs);
  const installationId = await seed(database).installation(id, installation.id);
  const integrationId = await seed(database).integration({ orgId, projectId, githubAppId: id, installationId });
  return { orgId, projectId, githubAppId: id, installationId, integrationId, theirs };
}

export type OwnApp = Awaited<ReturnType<typeof addOwnApp>>;

/** A rotation of the App's credential, with its steps run by hand. */
export async function rotationScene(api: TestApi, github: GitHubStandIn) {
  const { database } = api;
  const app = await addOwnApp(database, github);
  const { secret: token } = await addToken(database, app);
  const caller = api.as(token);
  const at = `/v1/integrations/${app.integrationId}/credentials`;
  const connector = connectorTo(database, github);
  const activities = withFailures(rotationActivities({ database, keyring, connector }));
  const secrets = githubAppSecrets(database.reader, keyring);

  const environment = () => new MockActivityEnvironment();
  const bound = Object.entries(activities).map(([name, step]) => [
    name,
    async (input: never) => {
      if (name === 'retireOldVersion' || name === 'reportOldAlive') await age(input);
      return environment().run(step as (input: never) => Promise<unknown>, input);
    },
  ]);
  /** The old version ends only when its time has passed. */
  const age = ({ rotationId: id }: { rotationId: string }) =>
    database.write((trx) => trx('rotations').where({ id }).update({ updated_at: 0 }));
  const once = Object.fromEntries(bound) as typeof activities;
  /** Runs each step twice, as after a worker that died before it could report the step. */
  const repeated = Object.entries(once).map(([name, step]) => [
    name,
    async (input: never) => {
      await step(input);
      return step(input);
    },
  ]);
  const twice = Object.fromEntries(repeated) as typeof activities;

  async function credential(kind: GithubSecretKind): Promise<CredentialBody> {
    const all = await caller.ask<CredentialBody[]>('GET', at);
    const found = all.find((one) => one.kind === kind);
    if (!found) throw new Error(`There is no ${kind}`);
    return found;
  }

  return {
    ...app,
    caller,
    at,
    activities,
    once,
    twice,
    credential,
    activeSecret: (kind: 'private_key' | 'client_secret') =>
      kind === 'private_key' ? secrets.privateKey(app.githubAppId) : secrets.clientSecret(app.githubAppId),

    rotate: (kind: GithubSecretKind, body: Record<string, string | boolean> = {}) =>
      caller.send<Rotated>('POST', `${at}/rotate`, { kind, ...body }),
    rollback: (kind: GithubSecretKind) => caller.send<Rotated>('POST', `${at}/rollback`, { kind }),

    async rotationOf(kind: GithubSecretKind): Promise<string> {
      const open = await rotationsIn(database.reader).findOpen((await credential(kind)).id);
      if (!open) throw new Error('There is no rotation under way');
      return open.id;
    },

    async statuses(kind: GithubSecretKind): Promise<string[]> {
      return (await credential(kind)).versions.map(({ status }) => status).reverse();
    },

    async operation(id: string): Promise<Rotated['operation']> {
      return (await caller.ask<Rotated>('GET', `/v1/operations/${id}`)).operation;
    },

    /**
     * Expects that users of the published credential succeed: a new process mints, signs a person in, and accepts a
     * webhook.
     */
    async expectUsable(): Promise<void> {
      const broker = brokerTo(database, github);
      await (await broker.forInstallation(app.installationId)).revokeToken();
      const code = github.addOAuthCode(app.theirs);
      await connectorTo(database, github).identify({ githubAppId: app.githubAppId, code });
      expect(await this.answerTo(app.theirs.webhookSecret)).toBe(202);
    },

    /** Returns how a new process responds to a webhook with this signature. */
    async answerTo(secret: string): Promise<number> {
      const fresh = await startApi({ database });
      try {
        const body = '{"zen":"Keep it logically awesome."}';
        const headers = hookHeaders({
          appId: app.theirs.appId,
          event: 'ping',
          signature: sign(secret, body),
          guid: randomUUID(),
        });
        const { status } = await fetch(`${fresh.hookUrl}/${app.githubAppId}`, { method: 'POST', headers, body });
        return status;
      } finally {
        await fresh.close();
      }
    },

    /** Returns the status of the App's last request to GitHub with this credential. */
    lastWith: (credentialName: string) =>
      github.ledger.filter(({ credential }) => credential === credentialName).at(-1)?.status,
  };
}

export type RotationScene = Awaited<ReturnType<typeof rotationScene>>;
