/** What is to become of the App's installations at the provider when an integration is deleted. */
export const revocations = ['auto', 'always', 'never'] as const;
export type Revocation = (typeof revocations)[number];

/**
 * What came of it. `revoked`: the provider has confirmed that it is cut off. `already_gone`: it was before. `retained`:
 * whoever deleted it wanted that. `retained_shared`: another integration still uses it. `unconfirmed`: the provider has
 * not confirmed it in time, so a person has to. `none`: there was nothing at the provider.
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

/** Of several, the one that a person has to know of most. */
export function worstOutcome(outcomes: readonly RevocationOutcome[]): RevocationOutcome {
  return revocationOutcomes.findLast((outcome) => outcomes.includes(outcome)) ?? 'none';
}
