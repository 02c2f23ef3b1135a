import type { Keyring } from '../store/sealing.ts';

/** The parts of a flow that never change: its owner, and its GitHub App or cloud account. */
type SealedFlow = {
  id: string;
  orgId: string;
  projectId: string | null;
  createdBy: string;
  githubAppId?: string;
  cloudAccountId?: string | null;
};
export type SignInCode = { code: string; verifier?: string | undefined; redirectUri?: string | undefined };

/**
 * Seals the one-time codes of a flow for this flow and field. A code does not open in another flow, or when the flow is
 * given to another organization, project, person, GitHub App or cloud account. Codes live for minutes, so Fairlead does
 * not seal them again when the master key changes.
 */
export function flowSeals(keyring: Keyring, flow: SealedFlow) {
  const { id, orgId, projectId, createdBy, githubAppId = null, cloudAccountId = null } = flow;
  const owner = [id, projectId, createdBy, githubAppId, cloudAccountId] as const;
  const context = (field: string) => ({ orgId, owner, credentialId: id, version: 1, field });
  const seal = (field: string, plain: string) => keyring.seal(plain, context(field)).sealed;
  const open = (field: string, sealed: string) => keyring.open(sealed, context(field));
  return {
    sealManifestCode: (code: string) => seal('manifest_code', code),
    openManifestCode: (sealed: string) => open('manifest_code', sealed),
    sealSignInCode: (code: SignInCode) => seal('sign_in_code', JSON.stringify(code)),
    openSignInCode: (sealed: string): SignInCode => JSON.parse(open('sign_in_code', sealed)),
    /** A verifier opens only with the state that it was made with. */
    sealVerifier: (verifier: string, stateHash: string) => seal(`pkce_verifier|${stateHash}`, verifier),
    openVerifier: (sealed: string, stateHash: string) => open(`pkce_verifier|${stateHash}`, sealed),
  };
}
