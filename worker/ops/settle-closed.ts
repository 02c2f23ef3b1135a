import { closeFlow } from '../../activities/connect/flow-steps.ts';
import { allBuilds, cancelBuild, startOf } from '../../db/builds/builds.ts';
import { giveUpCloudCheck } from '../../db/clouds/cloud-account-checks.ts';
import { resumeConsentEnd } from '../../db/clouds/google-consent-ends.ts';
import { allConnectFlows } from '../../db/connect/connect-flows.ts';
import { nudgeFlow } from '../../db/connect/flow-commands.ts';
import { deletionCommand } from '../../db/deletion/deletion-command.ts';
import { findEvenDeleted } from '../../db/deletion/integration-deletion.ts';
import { mintedTokensIn } from '../../db/exchange/minted-tokens.ts';
import { githubAppsIn } from '../../db/github/github-apps.ts';
import { startAgain } from '../../db/github/reconcile.ts';
import { allOperations } from '../../db/ops/operations.ts';
import { giveUpVerification } from '../../db/registries/registry-verifications.ts';
import { rotationsIn, wakeRotation } from '../../db/secrets/rotations.ts';
import { commandsIn } from '../../db/store/commands.ts';
import type { Transaction } from '../../db/store/connection.ts';
import { everything } from '../../db/store/tenant.ts';
import { isFinalBuildStatus } from '../../domain/builds/build-status.ts';

/** A workflow that closed without finishing its work. `byOperator`: it was terminated or canceled. */
export type Closed = { type: string; workflowId: string; byOperator: boolean };

const code = 'ended_in_temporal';
const failure = { code, detail: 'The workflow was ended in Temporal before its work was done.' };

type Settlement = {
  prefix: string;
  settle: Settle;
  /** The next run serves all requests, also those that this run did not finish. */
  servesRequests?: true;
};
type Settle = (trx: Transaction, id: string, byOperator: boolean) => Promise<void>;

/**
 * What happens to the row of each type of workflow. docs/operations.md has the same table. Other types have no row, and
 * a schedule or the next event starts them again.
 */
const settlements: Record<string, Settlement> = {
  dispatchBuild: { prefix: 'build/', settle: settleBuild },
  connectGithub: { prefix: 'connect-github/', settle: settleFlow },
  deleteIntegration: { prefix: 'delete/', settle: resumeDeletion },
  rotateCredential: { prefix: 'rotate/', settle: resumeRotation },
  revokeToken: { prefix: 'revoke/', settle: (trx, id) => mintedTokensIn(trx).resumeRevocation(id) },
  revokeConsent: { prefix: 'revoke-consent/', settle: resumeConsentEnd },
  syncInstallations: { prefix: 'sync/', settle: endSync, servesRequests: true },
  recoverDeliveries: {
    prefix: 'recover/',
    settle: (trx, id) => endOperations(trx, 'recover', id),
    servesRequests: true,
  },
  verifyIntegration: { prefix: 'verify/', settle: endVerification, servesRequests: true },
  verifyCloudAccount: { prefix: 'verify-cloud/', settle: endCloudCheck, servesRequests: true },
};

/** Ends or resumes the row of the workflow, if it is still open. Safe to repeat. */
export async function settleClosed(trx: Transaction, { type, workflowId, byOperator }: Closed): Promise<void> {
  const settlement = Object.hasOwn(settlements, type) ? settlements[type] : undefined;
  if (!settlement || !workflowId.startsWith(settlement.prefix)) return;
  if (settlement.servesRequests && (await commandsIn(trx).isStarting(workflowId))) return;
  await settlement.settle(trx, workflowId.slice(settlement.prefix.length), byOperator);
}

/** The new run of the workflow cancels the run at GitHub, ends the build and reports it. */
async function settleBuild(trx: Transaction, id: string, byOperator: boolean): Promise<void> {
  const build = await allBuilds(trx).find(id);
  if (!build || isFinalBuildStatus(build.status) || build.status === 'blocked') return;
  if (byOperator) await cancelBuild(trx, id, code);
  if (!byOperator && !build.cancelRequested) return startAgain(trx, await startOf(trx, build));
  await commandsIn(trx).add({ ...(await startOf(trx, build)), action: 'signal_with_start', signal: 'canceled' });
}

/** Fairlead cannot take back a manifest code that it has sent to GitHub, so that flow continues. */
async function settleFlow(trx: Transaction, id: string, byOperator: boolean): Promise<void> {
  const flow = await allConnectFlows(trx).takeOpen(id);
  if (!flow) return;
  if (byOperator && flow.status !== 'code_received') await closeFlow(trx, flow, { status: 'canceled', reason: code });
  else await nudgeFlow(trx, flow);
}

/** An operator cannot cancel a deletion. The integration is already cut off, but its access is not revoked yet. */
async function resumeDeletion(trx: Transaction, id: string): Promise<void> {
  const integration = await findEvenDeleted(trx, everything, id);
  if (integration?.status === 'deleting') await startAgain(trx, await deletionCommand(trx, integration));
}

/** A rotation that ended halfway would leave two valid secrets. */
async function resumeRotation(trx: Transaction, id: string): Promise<void> {
  const [credentialId = '', operationId] = id.split('/');
  const rotation = await rotationsIn(trx).findOpen(credentialId);
  if (rotation && rotation.operationId === operationId) await wakeRotation(trx, rotation);
}

async function endSync(trx: Transaction, githubAppId: string): Promise<void> {
  const apps = githubAppsIn(trx);
  if ((await apps.findPass(githubAppId))?.isOpen) {
    await apps.markSynced(githubAppId, { ended: false, error: failure.detail });
  }
  await endOperations(trx, 'sync', githubAppId);
}

async function endOperations(trx: Transaction, kind: string, subjectId: string): Promise<void> {
  const operations = allOperations(trx);
  if ((await operations.takeUp({ kind, subjectId })) > 0) await operations.finish({ kind, subjectId }, failure);
}

async function endVerification(trx: Transaction, integrationId: string): Promise<void> {
  const taken = await allOperations(trx).takeUp({ kind: 'verify', subjectId: integrationId });
  if (taken > 0) await giveUpVerification(trx, integrationId, failure);
}

async function endCloudCheck(trx: Transaction, cloudAccountId: string): Promise<void> {
  const taken = await allOperations(trx).takeUp({ kind: 'verify', subjectId: cloudAccountId });
  if (taken > 0) await giveUpCloudCheck(trx, cloudAccountId, failure);
}
