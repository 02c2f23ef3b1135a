import { allConnectFlows, type ConnectFlow, type FlowNote } from '../../db/connect/connect-flows.ts';
import { flowSeals } from '../../db/connect/flow-seals.ts';
import type { Database } from '../../db/store/connection.ts';
import { codeOf, isDefinite } from '../refusals.ts';
import type { ConnectDeps } from './flow-steps.ts';

export type Identified = { outcome: 'identified' | 'sign_in_again' | 'changed' };

/** Identifies who signed in at GitHub, and whether that person administers the account of the named installation. */
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
        // GitHub accepts a code once. If the response is lost, the person must sign in again.
        if (codeOf(error) !== 'oauth_code_refused' && isDefinite(error)) throw error;
        const detail = 'GitHub did not confirm who signed in. Please sign in again.';
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

    /** Drops the sign-in code after it has expired without a response from GitHub. */
    async forgetSignIn({ flowId }: { flowId: string }): Promise<void> {
      const flow = await allConnectFlows(database.reader).find(flowId);
      if (flow) await note(database, flow, { detail: 'GitHub did not respond. Please sign in again.' });
    },
  };
}

/** Reads the account with the App's key and never trusts the browser. Returns nothing if the App is not installed. */
async function accountOf(connector: ConnectDeps['connector'], flow: ConnectFlow) {
  const externalId = flow.claimedInstallation ?? flow.approvedInstallation;
  if (externalId === null) return undefined;
  return (await connector.installation(flow.githubAppId, externalId))?.account;
}

/**
 * Clears what another person asked for and confirmed in this flow. It does not count for the person who signs in now.
 */
const unasked: FlowNote = {
  requestedAccount: null,
  requestedLogin: null,
  accountChoices: null,
  approvedInstallation: null,
  confirmedAt: null,
};

/**
 * Stores what the code returned and deletes the code. If the person has chosen another installation since, the result
 * does not count.
 */
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
    if (!isSame) return false;
    const isAnother =
      found.githubUserId !== undefined && now.githubUserId !== null && now.githubUserId !== found.githubUserId;
    return flows.note(id, { ...found, ...(isAnother && unasked), sealedSignInCode: null });
  });
}
