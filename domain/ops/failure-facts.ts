/** The kinds of systems that Fairlead sends requests to. */
export type Provider = (typeof everyone)[number];

export const everyone = ['github', 'aws', 'gcp', 'azure', 'registry'] as const;

/**
 * What a failure says about the connection.
 *
 * - `outage`: nothing, because the provider did not answer.
 * - `ours`: nothing, because this Fairlead instance lacks something.
 * - `wrong`: the connection does not work as it is set up, but the credential might be good.
 * - `refused`: the provider rejects the credential, or the access that it is made with.
 */
export type Fault = 'outage' | 'ours' | 'wrong' | 'refused';

/**
 * What an API request asks a provider for. `app` and `host` are a GitHub App and a GitHub that a person brings,
 * `consent` is a person's consent at Google.
 */
export type AskedFor = 'repository' | 'token' | 'registry' | 'app' | 'host' | 'consent';

export type FailureFacts = {
  /** The providers that fail with this code. */
  from: readonly Provider[];
  /** Whether the same request might succeed later without a change by a person. */
  retry: boolean;
  fault: Fault;
  /** The API's problem code, or one for each thing asked for: the others are then `provider_unavailable`. */
  problem: string | Readonly<Partial<Record<AskedFor, string>>>;
  /** The one thing to do about it. */
  advice: string;
};

// Advice that several rows share.

export const askOperator = 'Contact the operator of this Fairlead instance: the account needs no change.';
export const compareSetup = 'Compare the cloud with what `setup` shows, fix it there, then verify the account.';
export const pasteTrust = 'Paste what `setup` shows into the cloud again, then verify the account.';
/** The advice if a check ended without a result about the account. */
export const verifyAgain = 'The provider did not answer the last check. Verify the account again.';
