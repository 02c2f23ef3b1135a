import { createGitHubConnector, type GitHubConnector } from '../../../broker/connect/github-connect.ts';
import {
  allConnectFlows,
  type ConnectFlow,
  type FlowNote,
  type NewConnectFlow,
} from '../../../db/connect/connect-flows.ts';
import { flowSeals } from '../../../db/connect/flow-seals.ts';
import { applyInstallationEvent } from '../../../db/github/apply-installation-event.ts';
import { allIntegrations } from '../../../db/integrations/integrations.ts';
import { githubAppSecrets } from '../../../db/secrets/github-app-secrets.ts';
import type { Database } from '../../../db/store/connection.ts';
import type { FlowStatus } from '../../../domain/connect/flow-status.ts';
import { readGitHubEvent } from '../../../domain/deliveries/github-events.ts';
import { newId } from '../../../domain/ids.ts';
import { createGuardedFetch } from '../../../providers/egress/guarded-fetch.ts';
import type { Account, App, GitHubStandIn } from '../../../stand-ins/github/stand-in.ts';
import { keyring } from '../hooks.ts';
import { originsOf } from './operator-app.ts';

/** Returns a connector that reaches only this stand-in, or nothing if there is none. */
export function connectorTo(
  database: Database,
  github: GitHubStandIn | undefined,
  timeoutMs = 10_000,
): GitHubConnector {
  const allowedHosts = github ? originsOf(github) : [];
  const fetch = createGuardedFetch({ allowedHosts, timeoutMs, maxBytes: 20_000_000 });
  return createGitHubConnector({ database, keyring, fetch });
}

type Owner = { orgId: string; projectId: string };

/** Rows of flows, as the API leaves them when a browser has landed. */
export function flowRows(database: Database, github: GitHubStandIn) {
  const find = async (id: string) => (await allConnectFlows(database.reader).find(id)) as ConnectFlow;

  async function insert(owner: Owner, flow: Partial<NewConnectFlow> & Pick<NewConnectFlow, 'kind' | 'githubAppId'>) {
    return database.write((trx) =>
      allConnectFlows(trx).insert({
        ...owner,
        createdBy: 'user:user_0000000000000000000000000a',
        hostUrl: github.url,
        apiUrl: github.apiUrl,
        integrationId: null,
        displayName: null,
        appName: 'Fairlead acme',
        appPublic: false,
        accountLogin: null,
        accountId: null,
        redirectUrl: null,
        claimedInstallation: null,
        expiresAt: Date.now() + 3_600_000,
        ...flow,
      }),
    );
  }

  const move = (id: string, to: FlowStatus, note: FlowNote = {}) =>
    database.write((trx) => allConnectFlows(trx).move(id, to, note));
  const note = (id: string, what: FlowNote) => database.write((trx) => allConnectFlows(trx).note(id, what));

  return {
    find,
    insert,
    move,
    note,

    /** The browser returns from "Create GitHub App". */
    async withManifestCode(owner: Owner, code: string, changes: Partial<NewConnectFlow> = {}): Promise<ConnectFlow> {
      const flow = await insert(owner, { kind: 'manifest', githubAppId: newId('gha'), ...changes });
      await move(flow.id, 'page_served');
      await move(flow.id, 'code_received', { sealedManifestCode: flowSeals(keyring, flow).sealManifestCode(code) });
      return find(flow.id);
    },

    /** A flow on an existing App, before anything is installed. */
    async installing(owner: Owner, githubAppId: string, changes: Partial<NewConnectFlow> = {}): Promise<ConnectFlow> {
      const flow = await insert(owner, { kind: 'operator', githubAppId, ...changes });
      await move(flow.id, 'install_pending');
      return find(flow.id);
    },

    /** What the landing page shows for a flow on the operator's App. */
    async showIntegration({ id, orgId, projectId, githubAppId, createdBy }: ConnectFlow): Promise<string> {
      const made = await database.write((trx) =>
        allIntegrations(trx).insert({
          orgId,
          projectId,
          kind: 'github',
          hostUrl: github.url,
          authMode: 'github_app',
          status: 'registered',
          displayName: 'GitHub',
          githubAppId,
          createdBy,
          identityKey: `flow:${id}`,
          metadata: {},
        }),
      );
      await note(id, { integrationId: made?.id ?? null });
      return made?.id ?? '';
    },

    /** The browser names an installation, and the person signs in. */
    async land(flow: ConnectFlow, app: App, { installationId, user }: { installationId?: number; user: Account }) {
      const code = github.addOAuthCode(app, { user });
      await note(flow.id, {
        ...(installationId !== undefined && { claimedInstallation: installationId }),
        sealedSignInCode: flowSeals(keyring, flow).sealSignInCode({ code }),
      });
      return code;
    },
  };
}

/** Stores the client secret, without which no person can sign in. */
export async function giveClient(database: Database, githubAppId: string, theirs: App): Promise<void> {
  await database.write(async (trx) => {
    await trx('github_apps').where({ id: githubAppId }).update({ client_id: theirs.clientId });
    await githubAppSecrets(trx, keyring).put(githubAppId, null, 'client_secret', theirs.clientSecret);
  });
}

/** Applies a signed webhook of an installation as the relay does. */
export function applyInstallation(database: Database, githubAppId: string, payload: unknown): Promise<void> {
  const event = readGitHubEvent('installation', payload);
  return database.write((trx) => applyInstallationEvent(trx, githubAppId, event as never));
}
