import { allConnectFlows, type ConnectFlow } from '../../db/connect/connect-flows.ts';
import { nudgeFlow } from '../../db/connect/flow-commands.ts';
import { flowSeals } from '../../db/connect/flow-seals.ts';
import { type FlowState, flowStatesIn } from '../../db/connect/flow-states.ts';
import { allIntegrations } from '../../db/integrations/integrations.ts';
import { holdOwner } from '../../db/people/projects.ts';
import type { Db, Transaction } from '../../db/store/connection.ts';
import { hashSecret, type Keyring } from '../../db/store/sealing.ts';
import { flowLifetimes } from '../../domain/connect/flow-status.ts';
import { Problem } from '../http/problems.ts';

/**
 * The parameters that a browser brings back from GitHub. They are untrusted. Only GitHub itself can later confirm the
 * codes.
 */
export type GithubAnswer = {
  state?: string | undefined;
  code?: string | undefined;
  installationId?: number | undefined;
  setupAction?: string | undefined;
  error?: string | undefined;
};

export type LandingRefusal =
  | 'state_missing'
  | 'state_unknown'
  | 'state_expired'
  | 'state_used'
  | 'state_foreign'
  | 'callback_foreign'
  | 'answer_incomplete';

/** A state that was found, and its flow. The caller must check which browser or client brought it. */
export type Arrival = { state: FlowState; flow: ConnectFlow };

/** The purposes of states that go through GitHub. `ticket` and `create` start at pages of Fairlead. */
const fromGithub = ['manifest', 'install', 'oauth'];

export async function findArrival(db: Db, answer: GithubAnswer): Promise<Arrival | LandingRefusal> {
  if (answer.state === undefined) return 'state_missing';
  const state = await flowStatesIn(db).find(answer.state);
  if (!state || !fromGithub.includes(state.purpose)) return 'state_unknown';
  const flow = await allConnectFlows(db).find(state.flowId);
  return flow ? { state, flow } : 'state_unknown';
}

/**
 * Takes the parameters from GitHub once. The same parameters again change nothing and are no error, because people
 * reload and a callback can race with `complete`. Other parameters with a used state are refused.
 */
export async function land(
  trx: Transaction,
  keyring: Keyring,
  { state, flow }: Arrival,
  answer: GithubAnswer,
): Promise<LandingRefusal | undefined> {
  const answerHash = hashOf(answer);
  if (!isComplete(state, answer)) return 'answer_incomplete';
  // If the owner was deleted, the flow has ended.
  await holdOwner(trx, flow);
  if (!(await flowStatesIn(trx).use(state.hash, answerHash))) {
    const used = await flowStatesIn(trx).findByHash(state.hash);
    if (used?.usedAt == null) return 'state_expired';
    return used.answerHash === answerHash ? undefined : 'state_used';
  }
  const current = await allConnectFlows(trx).takeOpen(flow.id);
  if (!current) return undefined;
  await takeIn(trx, keyring, { state, flow: current }, answer);
  await nudgeFlow(trx, flow);
  return undefined;
}

function isComplete({ purpose }: FlowState, { code, installationId, setupAction, error }: GithubAnswer): boolean {
  if (purpose === 'manifest') return code !== undefined;
  if (purpose === 'oauth') return code !== undefined || error !== undefined;
  return installationId !== undefined || setupAction === 'request';
}

async function takeIn(trx: Transaction, keyring: Keyring, arrival: Arrival, answer: GithubAnswer): Promise<void> {
  const { state, flow } = arrival;
  const flows = allConnectFlows(trx);
  const seals = flowSeals(keyring, flow);
  if (state.purpose === 'manifest') {
    await flows.move(flow.id, 'code_received', { sealedManifestCode: seals.sealManifestCode(answer.code ?? '') });
  } else if (state.purpose === 'install') {
    await takeInstallation(trx, flow, answer);
  } else if (answer.code !== undefined) {
    const verifier = state.sealedVerifier ? seals.openVerifier(state.sealedVerifier, state.hash) : undefined;
    const sealedSignInCode = seals.sealSignInCode({ code: answer.code, verifier });
    await flows.note(flow.id, { sealedSignInCode, detail: null });
  } else {
    await flows.note(flow.id, {
      detail: 'You did not allow GitHub to share your identity. Fairlead needs it to connect the account.',
    });
  }
}

/**
 * Takes the id of an installation, or a notice that an owner was asked. It is only a claim, so a person who signed in
 * for an earlier claim must sign in again. If the App requests sign-in during the installation, GitHub also sends a
 * code. Fairlead ignores it, because nothing ties it to this browser. The later sign-in has its own challenge.
 */
async function takeInstallation(
  trx: Transaction,
  flow: ConnectFlow,
  { installationId, setupAction }: GithubAnswer,
): Promise<void> {
  const flows = allConnectFlows(trx);
  const isRequest = installationId === undefined;
  const note = {
    claimedInstallation: installationId ?? null,
    setupAction: setupAction ?? null,
    githubUserId: null,
    githubLogin: null,
    ownerProof: null,
    ownerProofAccount: null,
    requestedAccount: null,
    requestedLogin: null,
    requestedAt: isRequest ? Date.now() : null,
    accountChoices: null,
    approvedInstallation: null,
    confirmedAt: null,
    detail: null,
    sealedSignInCode: null,
    ...(isRequest && { expiresAt: Date.now() + flowLifetimes.approval }),
  };
  if (isRequest) await flows.move(flow.id, 'awaiting_approval', note);
  else if (flow.status === 'awaiting_approval') await flows.move(flow.id, 'install_pending', note);
  else await flows.note(flow.id, note);
  if (flow.kind === 'operator') await showIntegration(trx, flow, isRequest);
}

/** Makes the integration visible, but not usable. Its identity is the flow's until the installation is proven. */
async function showIntegration(trx: Transaction, flow: ConnectFlow, isRequest: boolean): Promise<void> {
  const integrations = allIntegrations(trx);
  const status = isRequest ? 'awaiting_approval' : 'registered';
  if (flow.integrationId) {
    if (isRequest) await integrations.moveStatus(flow.integrationId, 'awaiting_approval');
    return;
  }
  const made = await integrations.insert({
    orgId: flow.orgId,
    projectId: flow.projectId,
    kind: 'github',
    hostUrl: flow.hostUrl,
    authMode: 'github_app',
    status,
    displayName: flow.displayName ?? 'GitHub',
    githubAppId: flow.githubAppId,
    createdBy: flow.createdBy,
    identityKey: `flow:${flow.id}`,
    metadata: {},
  });
  if (made) await allConnectFlows(trx).note(flow.id, { integrationId: made.id });
}

function hashOf({ code, installationId, setupAction, error }: GithubAnswer): string {
  return hashSecret(JSON.stringify([code ?? null, installationId ?? null, setupAction ?? null, error ?? null]));
}

/** The advice for each refusal. A refusal changes nothing. */
export const landingAdvice: Record<LandingRefusal, string> = {
  state_missing: 'The address is incomplete: it has no `state`. Start again from the page that sent you to GitHub.',
  state_unknown: 'The link is unknown, or its flow was deleted. Start again from the page that sent you to GitHub.',
  state_expired: 'The link has expired. Start again from the page that sent you to GitHub.',
  state_used: 'The link was already used with another response. Start again from the page that sent you to GitHub.',
  state_foreign:
    'Another browser or another person started the flow, or there is no such flow. Continue in the browser that started it, or start again from your platform.',
  callback_foreign:
    'GitHub sent you back to the address of another GitHub App. Start again from the page that sent you there.',
  answer_incomplete: 'The response from GitHub is incomplete. Start again from the page that sent you to GitHub.',
};

export function refusedLanding(refusal: LandingRefusal): Problem {
  return new Problem('flow_state_refused', landingAdvice[refusal], { members: { reason: refusal } });
}

/** Throws the refusal, for routes that return nothing else. */
export function refuse(refusal: LandingRefusal): never {
  throw refusedLanding(refusal);
}
