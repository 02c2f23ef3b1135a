import { log } from '@temporalio/activity';
import { allConnectFlows, type ConnectFlow } from '../../db/connect/connect-flows.ts';
import { flowSeals } from '../../db/connect/flow-seals.ts';
import { githubAppsIn } from '../../db/github/github-apps.ts';
import { retireIdleApp } from '../../db/github/idle-apps.ts';
import { allIntegrations } from '../../db/integrations/integrations.ts';
import { appendAudit } from '../../db/ops/audit.ts';
import { holdOwner } from '../../db/people/projects.ts';
import { githubAppSecrets } from '../../db/secrets/github-app-secrets.ts';
import type { Transaction } from '../../db/store/connection.ts';
import { flowLifetimes } from '../../domain/connect/flow-status.ts';
import { codeOf, isDefinite, NotYet } from '../refusals.ts';
import { type ConnectDeps, closeFlow } from './flow-steps.ts';

type ConvertedApp = Awaited<ReturnType<ConnectDeps['connector']['convertManifest']>>;

/** An attempt that sent the code at `sentAt`, and the mark of an earlier attempt without a response. */
type Attempt = { flow: ConnectFlow; code: string; sentAt: number; before: number | null };

/** Longer than any attempt waits for its response. Until then an attempt without a result can still succeed. */
const answerMs = 45_000;

/**
 * Exchanges the code of a manifest for its App. The App's secrets are encrypted at once and never leave this activity.
 * GitHub accepts a code once, so a second attempt creates no second App. GitHub returns only "not found" for a code
 * whose response was lost, so each attempt is stored before it is made.
 */
export function convertManifest({ database, keyring, connector }: ConnectDeps) {
  async function begin(flowId: string): Promise<Attempt | undefined> {
    return database.write(async (trx) => {
      const flow = await allConnectFlows(trx).takeOpen(flowId);
      if (flow?.status !== 'code_received' || flow.sealedManifestCode === null) return undefined;
      const before = flow.conversionSentAt;
      // No two attempts have the same mark.
      const sentAt = Math.max(Date.now(), (before ?? 0) + 1);
      await allConnectFlows(trx).note(flowId, { conversionSentAt: sentAt });
      return { flow, code: flowSeals(keyring, flow).openManifestCode(flow.sealedManifestCode), sentAt, before };
    });
  }

  /** Stores the mark for later attempts, unless another attempt has stored its own since. */
  async function mark({ flow, sentAt }: Attempt, left: number | null): Promise<void> {
    await database.write(async (trx) => {
      const now = await allConnectFlows(trx).takeOpen(flow.id);
      if (now?.conversionSentAt !== sentAt) return;
      await allConnectFlows(trx).note(flow.id, { conversionSentAt: left });
    });
  }

  /** Decides what it means that GitHub does not know the code. */
  async function refused(attempt: Attempt): Promise<void> {
    const { flow, sentAt, before } = attempt;
    const decided = await database.write(async (trx) => {
      const now = await allConnectFlows(trx).takeOpen(flow.id);
      if (now?.status !== 'code_received') return true;
      const isAlone = now.conversionSentAt === sentAt;
      if (!isAlone || (before !== null && before > Date.now() - answerMs)) return false;
      const reason = before === null ? 'manifest_code_refused' : 'conversion_answer_lost';
      return closeFlow(trx, now, { status: 'failed', reason });
    });
    if (decided) return;
    await mark(attempt, before);
    throw new NotYet('conversion_under_way', 'Another attempt can still succeed.');
  }

  async function failed(attempt: Attempt, error: unknown): Promise<void> {
    if (codeOf(error) === 'manifest_code_refused') return refused(attempt);
    // The response is known to be lost, so no later attempt waits for it.
    const isLost = !isDefinite(error) || codeOf(error) === 'unexpected';
    await mark(attempt, attempt.before ?? (isLost ? Date.now() - answerMs : null));
    throw error;
  }

  return {
    /** If this succeeds, the flow is at `app_created` or has failed. */
    async convertManifest({ flowId }: { flowId: string }): Promise<void> {
      const attempt = await begin(flowId);
      if (!attempt) return;
      const { hostUrl, apiUrl } = attempt.flow;
      let app: ConvertedApp;
      try {
        app = await connector.convertManifest({ hostUrl, apiUrl, code: attempt.code });
      } catch (error) {
        return failed(attempt, error);
      }
      const kept = await database.write((trx) => keep(trx, keyring, attempt.flow, app));
      if (!kept) log.warn('GitHub created an App for a flow that had ended', { flowId });
    },

    /** Ends the flow after the code has expired or GitHub has refused it permanently. */
    async giveUpConversion({ flowId, code }: { flowId: string; code: string }): Promise<void> {
      await database.write(async (trx) => {
        const flow = await allConnectFlows(trx).takeOpen(flowId);
        if (flow?.status !== 'code_received') return;
        const lost = flow.conversionSentAt !== null;
        const detail = `Fairlead could not get the App from GitHub (${code}).`;
        const end = lost ? { reason: 'conversion_answer_lost' } : { reason: 'manifest_code_refused', detail };
        await closeFlow(trx, flow, { status: 'failed', ...end });
      });
    },
  };
}

/** Stores the App, its secrets and its integration in one transaction. */
async function keep(trx: Transaction, keyring: ConnectDeps['keyring'], before: ConnectFlow, app: ConvertedApp) {
  // If the owner was deleted, the flow has ended.
  await holdOwner(trx, before);
  const { id } = before;
  const flow = await allConnectFlows(trx).takeOpen(id);
  if (flow?.status !== 'code_received') return false;
  const { orgId, projectId, githubAppId, hostUrl, apiUrl, createdBy } = flow;
  const { appId, slug, name, clientId } = app;
  // A server that was set up again reuses its App IDs.
  await retireIdleApp(trx, { hostUrl, appId });
  const row = { id: githubAppId, orgId, hostUrl, apiUrl, appId, slug, name, clientId };
  if (!(await githubAppsIn(trx).insert(row))) {
    return closeFlow(trx, flow, { status: 'failed', reason: 'github_app_exists' });
  }
  const secrets = githubAppSecrets(trx, keyring);
  await secrets.put(githubAppId, orgId, 'private_key', app.privateKey);
  await secrets.put(githubAppId, orgId, 'client_secret', app.clientSecret);
  if (app.webhookSecret !== undefined) await secrets.put(githubAppId, orgId, 'webhook_secret', app.webhookSecret);

  const integration = await allIntegrations(trx).insert({
    orgId,
    projectId,
    kind: 'github',
    hostUrl,
    authMode: 'github_app',
    status: 'registered',
    displayName: flow.displayName ?? `GitHub: ${name}`,
    githubAppId,
    createdBy,
    identityKey: `github_app:${githubAppId}`,
    metadata: {},
  });
  if (!integration) throw new Error('The integration of a new App already exists');
  await allConnectFlows(trx).move(id, 'app_created', {
    integrationId: integration.id,
    // A new App is installed on its owner's account first.
    accountId: app.owner.id,
    sealedManifestCode: null,
    conversionSentAt: null,
    expiresAt: Date.now() + flowLifetimes.install,
  });
  const act = { orgId, projectId, actor: createdBy };
  await appendAudit(
    trx,
    { ...act, action: 'github_app.created', target: githubAppId, detail: { flow: id, app_id: appId } },
    { ...act, action: 'integration.created', target: integration.id, detail: { github_app: githubAppId } },
  );
  return true;
}
