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
import type { ConnectDeps } from './flow-steps.ts';
import { closeFlow } from './flow-steps.ts';

type ConvertedApp = Awaited<ReturnType<ConnectDeps['connector']['convertManifest']>>;

/** An attempt that has sent the code at `sentAt`, and what an earlier one without an answer had left behind. */
type Attempt = { flow: ConnectFlow; code: string; sentAt: number; before: number | null };

/** For longer than any attempt waits for its answer: until then, one that was not heard of may still bring it. */
const answerMs = 45_000;

/**
 * Changes the code of a manifest for its App, whose secrets are sealed at once and never leave this activity. GitHub
 * takes a code once, so asking again cannot make a second App; but it says no more than "not found" to a code whose
 * answer was lost. So each attempt is written down before it is made.
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

  /** The mark that is left to those who come after; not where another attempt has made its own since. */
  async function mark({ flow, sentAt }: Attempt, left: number | null): Promise<void> {
    await database.write(async (trx) => {
      const now = await allConnectFlows(trx).takeOpen(flow.id);
      if (now?.conversionSentAt !== sentAt) return;
      await allConnectFlows(trx).note(flow.id, { conversionSentAt: left });
    });
  }

  /** GitHub does not know the code. Was it ours? */
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
    throw new NotYet('conversion_under_way', 'Another attempt may still bring the answer.');
  }

  async function failed(attempt: Attempt, error: unknown): Promise<void> {
    if (codeOf(error) === 'manifest_code_refused') return refused(attempt);
    // Where the answer is known to be lost, nobody waits for it any more.
    const isLost = !isDefinite(error) || codeOf(error) === 'unexpected';
    await mark(attempt, attempt.before ?? (isLost ? Date.now() - answerMs : null));
    throw error;
  }

  return {
    /** The flow is at `app_created` or has failed when this ends without a failure. */
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
      if (!kept) log.warn('An App was made for a flow that was over', { flowId });
    },

    /** GitHub was asked for as long as a code lives, or refuses for good. */
    async giveUpConversion({ flowId, code }: { flowId: string; code: string }): Promise<void> {
      await database.write(async (trx) => {
        const flow = await allConnectFlows(trx).takeOpen(flowId);
        if (flow?.status !== 'code_received') return;
        const lost = flow.conversionSentAt !== null;
        const detail = `GitHub could not be asked for the App (${code}).`;
        const end = lost ? { reason: 'conversion_answer_lost' } : { reason: 'manifest_code_refused', detail };
        await closeFlow(trx, flow, { status: 'failed', ...end });
      });
    },
  };
}

/** All of it or nothing: the App, its secrets, and the integration that shows it. */
async function keep(trx: Transaction, keyring: ConnectDeps['keyring'], before: ConnectFlow, app: ConvertedApp) {
  // Where it is gone the flow has ended.
  await holdOwner(trx, before);
  const { id } = before;
  const flow = await allConnectFlows(trx).takeOpen(id);
  if (flow?.status !== 'code_received') return false;
  const { orgId, projectId, githubAppId, hostUrl, apiUrl, createdBy } = flow;
  const { appId, slug, name, clientId } = app;
  // A server that was set up anew gives its numbers out again.
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
  if (!integration) throw new Error('The integration of a new App was there before it');
  await allConnectFlows(trx).move(id, 'app_created', {
    integrationId: integration.id,
    // A new App is for its owner's account first.
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
