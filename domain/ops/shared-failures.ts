import { askOperator, compareSetup, everyone, type FailureFacts, verifyAgain } from './failure-facts.ts';

/** The problem if Google or a registry rejects a credential. GitHub fails like this only while a person signs in. */
const credentialRejected = { consent: 'credential_rejected', registry: 'credential_rejected' } as const;

/** Failures that several kinds of providers have in common. */
export const sharedFailures = {
  clock_skew: { from: everyone, retry: true, fault: 'ours', problem: 'provider_unavailable', advice: askOperator },
  // Fairlead's own: no provider fails with it.
  secret_unreadable: {
    from: [],
    retry: false,
    fault: 'ours',
    problem: 'secret_unreadable',
    advice: 'Ask the operator of this Fairlead instance to look at its incidents, or store the secret again.',
  },
  permission_missing: {
    from: ['github', 'gcp'],
    retry: false,
    fault: 'refused',
    problem: { token: 'permission_missing', registry: 'permission_missing' },
    advice: 'Grant the missing permission at the provider, as `setup` shows, then verify the account.',
  },
  policy: {
    from: ['github', 'azure', 'registry'],
    retry: false,
    fault: 'wrong',
    problem: { registry: 'permission_missing' },
    advice: 'Change the access policy of the tenant so that it admits Fairlead’s address.',
  },
  rate_limited: { from: everyone, retry: true, fault: 'outage', problem: 'provider_unavailable', advice: verifyAgain },
  secondary_limited: {
    from: ['github', 'registry'],
    retry: true,
    fault: 'outage',
    problem: 'provider_unavailable',
    advice: 'No action needed: the provider asked for a pause, Fairlead will retry.',
  },
  unavailable: { from: everyone, retry: true, fault: 'outage', problem: 'provider_unavailable', advice: verifyAgain },
  network: { from: everyone, retry: true, fault: 'outage', problem: 'provider_unavailable', advice: verifyAgain },
  timeout: { from: everyone, retry: true, fault: 'outage', problem: 'provider_unavailable', advice: verifyAgain },
  address_refused: {
    from: everyone,
    retry: false,
    fault: 'wrong',
    problem: { app: 'host_not_allowed', host: 'host_not_allowed', registry: 'host_not_allowed' },
    advice: 'Correct the address, or ask the operator to allow it with `FAIRLEAD_ALLOWED_HOSTS`.',
  },
  validation: {
    from: everyone,
    retry: false,
    fault: 'wrong',
    problem: { registry: 'credential_rejected' },
    advice: compareSetup,
  },
  unexpected: {
    from: everyone,
    retry: true,
    fault: 'outage',
    problem: { host: 'host_not_supported' },
    advice: verifyAgain,
  },
  oauth_code_refused: {
    from: ['github', 'gcp'],
    retry: false,
    fault: 'refused',
    problem: credentialRejected,
    advice: 'Sign in again: a code works once and for a few minutes.',
  },
  client_credentials_rejected: {
    from: ['github', 'gcp'],
    retry: false,
    fault: 'refused',
    problem: credentialRejected,
    advice: askOperator,
  },
  redirect_uri_mismatch: {
    from: ['github', 'gcp'],
    retry: false,
    fault: 'wrong',
    problem: credentialRejected,
    advice: 'Add Fairlead’s callback address to the GitHub App or OAuth client at the provider.',
  },
} as const satisfies Record<string, FailureFacts>;
