import { cancellationSignal } from '@temporalio/activity';
import { allConnectFlows, type ConnectFlow } from '../../db/connect/connect-flows.ts';
import { installationWitnessesIn } from '../../db/connect/installation-witnesses.ts';
import type { ConnectDeps } from './flow-steps.ts';

/** `gone`: the request that was there is not, and nothing is installed. GitHub tells nobody of a refusal. */
export type Approval = { outcome: 'approved' | 'pending' | 'unseen' | 'gone' | 'changed' };

type Request = Awaited<ReturnType<ConnectDeps['connector']['installationRequests']>>[number];

/** Looks whether an owner has approved what this person had asked for. It binds nothing: the person confirms. */
export function lookForApproval({ database, connector }: ConnectDeps) {
  /** By the webhook of an installation that names this person as who had asked. */
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

  /** Somebody else may have signed in meanwhile, or the person has found another way. */
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

/** A person may have asked several owners: the account that this flow is about comes first, then the latest. */
function requestOf({ githubUserId, requestedAccount, accountLogin }: ConnectFlow, all: Request[]): Request | undefined {
  const mine = all.filter(({ requester }) => requester.id === githubUserId);
  // Once it is known which account was asked for, no other counts.
  if (requestedAccount !== null) return mine.find(({ account }) => account.id === requestedAccount);
  const named = mine.find(({ account }) => account.login.toLowerCase() === accountLogin?.toLowerCase());
  return named ?? mine.sort((one, other) => other.createdAt - one.createdAt)[0];
}
