import { createHash, randomBytes } from 'node:crypto';
import { allConnectFlows, type ConnectFlow } from '../../db/connect/connect-flows.ts';
import { flowSeals } from '../../db/connect/flow-seals.ts';
import { flowStatesIn } from '../../db/connect/flow-states.ts';
import { githubAppsIn } from '../../db/github/github-apps.ts';
import type { Database } from '../../db/store/connection.ts';
import type { Keyring } from '../../db/store/sealing.ts';
import { flowLifetimes, isFinalFlowStatus, nextStep } from '../../domain/connect/flow-status.ts';
import { githubCallbackPath } from '../../domain/connect/github-manifest.ts';
import { githubHost } from '../../domain/github/github-host.ts';
import { authorizeUrl, installUrl } from '../../domain/github/github-urls.ts';
import type { ApiDeps } from '../http/deps.ts';

export type HopDeps = {
  database: Database;
  keyring: Keyring;
  publicUrl: string;
  /** How long a browser waits for Fairlead before it gets a page that reloads automatically. */
  patienceMs: number | undefined;
};

export function hopDeps({ database, keyring, links, connect }: ApiDeps): HopDeps {
  return { database, keyring, publicUrl: links.publicUrl, patienceMs: connect.patienceMs };
}

export const personSteps = ['create', 'install', 'sign_in', 'choose_account', 'confirm', 'none'] as const;

/** The person's next step. `none` while Fairlead works, and after the flow has ended. */
export type PersonStep = (typeof personSteps)[number];

export function personStep(flow: ConnectFlow): PersonStep {
  if (isFinalFlowStatus(flow.status)) return 'none';
  if (flow.status === 'awaiting_approval' && flow.approvedInstallation !== null && flow.confirmedAt === null) {
    return flow.githubUserId === null ? 'sign_in' : 'confirm';
  }
  if (flow.status === 'awaiting_approval' && flow.requestedAccount === null && flow.accountChoices !== null) {
    return 'choose_account';
  }
  if (nextStep(factsOf(flow)) !== 'wait') return 'none';
  if (flow.status === 'page_served') return 'create';
  if (flow.status === 'created') return flow.kind === 'manifest' ? 'create' : installOrSignIn(flow);
  if (flow.status === 'app_created') return 'install';
  return flow.status === 'awaiting_approval' ? 'sign_in' : installOrSignIn(flow);
}

/** If the installation is already known, the person does not need GitHub's page to choose one. */
function installOrSignIn(flow: ConnectFlow): PersonStep {
  return flow.claimedInstallation === null ? 'install' : 'sign_in';
}

/** Returns the organization's own App, or undefined for a flow on the operator's App. */
export function ownAppIdOf({ kind, githubAppId }: ConnectFlow): string | undefined {
  return kind === 'operator' ? undefined : githubAppId;
}

export function factsOf(flow: ConnectFlow) {
  return { ...flow, hasSignInCode: flow.sealedSignInCode !== null };
}

/**
 * Returns the next address for this browser, with a new state: at GitHub, or a page that leads there. Returns undefined
 * if the person has no next step.
 */
export async function nextHop(deps: HopDeps, flow: ConnectFlow): Promise<string | undefined> {
  const step = personStep(flow);
  if (step === 'create') {
    const state = await deps.database.write((trx) => flowStatesIn(trx).issue(flow.id, 'create'));
    return `${deps.publicUrl}/v1/integrations/github/create?state=${state}`;
  }
  if (step !== 'install' && step !== 'sign_in') return undefined;
  const app = await githubAppsIn(deps.database.reader).find(flow.githubAppId);
  if (!app) return undefined;
  const { web, appPathPrefix } = githubHost(app.hostUrl, app.apiUrl);
  const isTurned = flow.status === 'created' || flow.status === 'app_created';

  return deps.database.write(async (trx) => {
    if (isTurned) {
      const expiresAt = Date.now() + flowLifetimes.install;
      await allConnectFlows(trx).move(flow.id, 'install_pending', { expiresAt });
    }
    const states = flowStatesIn(trx);
    if (step === 'install') {
      const state = await states.issue(flow.id, 'install');
      const preselected = flow.accountId === null ? {} : { targetId: flow.accountId };
      return installUrl({ web, appPathPrefix, slug: app.slug, state, ...preselected });
    }
    const verifier = randomBytes(32).toString('base64url');
    const seal = (hash: string) => flowSeals(deps.keyring, flow).sealVerifier(verifier, hash);
    return authorizeUrl({
      web,
      clientId: app.clientId ?? '',
      redirectUri: deps.publicUrl + githubCallbackPath(ownAppIdOf(flow)),
      state: await states.issue(flow.id, 'oauth', seal),
      challenge: createHash('sha256').update(verifier).digest('base64url'),
    });
  });
}
