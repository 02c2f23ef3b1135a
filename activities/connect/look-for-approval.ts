import { cancellationSignal } from '@temporalio/activity';
import { allConnectFlows, type ConnectFlow } from '../../db/connect/connect-flows.ts';
import { installationWitnessesIn } from '../../db/connect/installation-witnesses.ts';
import type { ConnectDeps } from './flow-steps.ts';

/** `gone`: the request no longer exists and nothing is installed. GitHub notifies no one about a refusal. */
export type Approval = { outcome: 'approved' | 'pending' | 'unseen' | 'gone' | 'changed' };

type Request = Awaited<ReturnType<ConnectDeps['connector']['installationRequests']>>[number];

/**
 * Checks whether an owner has approved the person's request. This binds nothing, because the person must confirm first.
 */
export function lookForApproval({ database, connector }: ConnectDeps) {
  /** Returns the installation whose webhook names this person as the requester. */
  async function answeredOf({ githubAppId, createdAt }: ConnectFlow, githubUserId: number) {
    const witnesses = installationWitnessesIn(database.reader);
    for (const externalId of await witnesses.listAnswered(githubAppId, githubUserId, createdAt)) {
      if (await connector.installation(githubAppId, externalId)) return externalId;
    }
    return undefined;
  }

  async function installedOn({ githubAppId, requestedAccount }: ConnectFlow): Promise<number | undefined> {
    if (requestedAccount === null) return undefined;
    return (await connector.findInstallation(githubAppId, requestedAccount, cancellationSignal()))?.id;
  }

  /** Another person can have signed in since, or this person has chosen another installation. */
  async function note(
    { flowId, githubUserId }: { flowId: string; githubUserId: number },
    found: { requestedAccount?: number; accountLogin?: string; approvedInstallation?: number },
  ): Promise<boolean> {
    return database.write(async (trx) => {
      const flows = allConnectFlows(trx);
      const now = await flows.takeOpen(flowId);
      if (now?.status !== 'awaiting_approval' || now.githubUserId !== githubUserId) return false;
      return flows.note(flowId, found);
    });
  }

  return async ({ flowId }: { flowId: string }): Promise<Approval> => {
    const flow = await allConnectFlows(database.reader).find(flowId);
    if (flow?.status !== 'awaiting_approval' || flow.githubUserId === null) return { outcome: 'changed' };
    const { githubAppId, githubUserId } = flow;
    const answered = await answeredOf(flow, githubUserId);
    const requests =
      answered === undefined ? await connector.installationRequests(githubAppId, cancellationSignal()) : [];
    const pending = requestOf(flow, requests);
    if (pending) {
      const { id: requestedAccount, login: accountLogin } = pending.account;
      if (requestedAccount !== flow.requestedAccount) {
        await note({ flowId, githubUserId }, { requestedAccount, accountLogin });
      }
      return { outcome: 'pending' };
    }
    const approvedInstallation = answered ?? (await installedOn(flow));
    if (approvedInstallation === undefined) return { outcome: flow.requestedAccount === null ? 'unseen' : 'gone' };
    return { outcome: (await note({ flowId, githubUserId }, { approvedInstallation })) ? 'approved' : 'changed' };
  };
}

/** Prefers the request for the flow's account, then the latest. A person can have asked several owners. */
function requestOf({ githubUserId, requestedAccount, accountLogin }: ConnectFlow, all: Request[]): Request | undefined {
  const mine = all.filter(({ requester }) => requester.id === githubUserId);
  // Once the requested account is known, no other account counts.
  if (requestedAccount !== null) return mine.find(({ account }) => account.id === requestedAccount);
  const named = mine.find(({ account }) => account.login.toLowerCase() === accountLogin?.toLowerCase());
  return named ?? mine.sort((one, other) => other.createdAt - one.createdAt)[0];
}
