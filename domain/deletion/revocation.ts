/** What happens to the App's installations at the provider when an integration is deleted. */
export const revocations = ['auto', 'always', 'never'] as const;
export type Revocation = (typeof revocations)[number];

/**
 * The result of a revocation. `revoked`: the provider confirmed the revocation. `already_gone`: the installation no
 * longer existed. `retained`: the caller asked to keep it. `retained_shared`: another integration still uses it.
 * `unconfirmed`: the provider did not confirm in time, so a person must check. `none`: there was nothing at the
 * provider.
 */
export const revocationOutcomes = [
  'none',
  'already_gone',
  'revoked',
  'retained',
  'retained_shared',
  'unconfirmed',
] as const;
export type RevocationOutcome = (typeof revocationOutcomes)[number];

/** Returns the result that a person most needs to see. */
export function worstOutcome(outcomes: readonly RevocationOutcome[]): RevocationOutcome {
  return revocationOutcomes.findLast((outcome) => outcomes.includes(outcome)) ?? 'none';
}
