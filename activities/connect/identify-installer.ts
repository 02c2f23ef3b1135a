import { allConnectFlows, type ConnectFlow, type FlowNote } from '../../db/connect/connect-flows.ts';
import { flowSeals } from '../../db/connect/flow-seals.ts';
import type { Database } from '../../db/store/connection.ts';
import { codeOf, isDefinite } from '../refusals.ts';
import type { ConnectDeps } from './flow-steps.ts';

export type Identified = { outcome: 'identified' | 'sign_in_again' | 'changed' };

/** Learns who signed in at GitHub, and whether that person administers the account of the installation they named. */
export function identifyInstaller({ database, keyring, connector }: ConnectDeps) {
  return {
    async identifyInstaller({ flowId }: { flowId: string }): Promise<Identified> {
      const flow = await allConnectFlows(database.reader).find(flowId);
      const sealed = flow?.sealedSignInCode;
      if (!flow || flow.finishedAt !== null || sealed == null) return { outcome: 'changed' };
      const { code, verifier, redirectUri } = flowSeals(keyring, flow).openSignInCode(sealed);
      const account = await accountOf(connector, flow);
      let person: Awaited<ReturnType<ConnectDeps['connector']['identify']>>;
      try {
        person = await connector.identify({
          githubAppId: flow.githubAppId,
          code,
          redirectUri,
          codeVerifier: verifier,
          account,
        });
      } catch (error) {
        // GitHub takes a code once: what was lost with its answer, only another sign-in brings.
        if (codeOf(error) !== 'oauth_code_refused' && isDefinite(error)) throw error;
        const detail = 'GitHub did not tell who signed in. Please sign in once more.';
        return { outcome: (await note(database, flow, { detail })) ? 'sign_in_again' : 'changed' };
      }
      const noted = await note(database, flow, {
        githubUserId: person.userId,
        githubLogin: person.login,
        ownerProof: person.owns,
        ownerProofAccount: person.owns === null ? null : (account?.id ?? null),
        detail: null,
      });
      return { outcome: noted ? 'identified' : 'changed' };
    },

    /** GitHub was asked for as long as a code lives. */
    async forgetSignIn({ flowId }: { flowId: string }): Promise<void> {
      const flow = await allConnectFlows(database.reader).find(flowId);
      if (flow) await note(database, flow, { detail: 'GitHub did not answer. Please sign in once more.' });
    },
  };
}

/** By the App itself, never by what the browser said. None, where nothing is installed yet or it is gone. */
async function accountOf(connector: ConnectDeps['connector'], flow: ConnectFlow) {
  const externalId = flow.claimedInstallation ?? flow.approvedInstallation;
  if (externalId === null) return undefined;
  return (await connector.installation(flow.githubAppId, externalId))?.account;
}

/** The code goes with what it brought. Where the person has named another installation since, nothing of it counts. */
async function note(
  database: Database,
  { id, sealedSignInCode, claimedInstallation, approvedInstallation }: ConnectFlow,
  found: FlowNote,
): Promise<boolean> {
  return database.write(async (trx) => {
    const flows = allConnectFlows(trx);
    const now = await flows.takeOpen(id);
    const isSame =
      now?.sealedSignInCode === sealedSignInCode &&
      now?.claimedInstallation === claimedInstallation &&
      now.approvedInstallation === approvedInstallation;
    return isSame && (await flows.note(id, { ...found, sealedSignInCode: null }));
  });
}
