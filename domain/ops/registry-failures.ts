import type { FailureFacts } from './failure-facts.ts';

/** Failures that only registries have. A check records them and does not throw them, so it is not retried. */
export const registryFailures = {
  not_a_registry: {
    from: ['registry'],
    retry: true,
    fault: 'wrong',
    problem: 'provider_not_supported',
    advice: 'Correct the host: it does not serve the registry API.',
  },
  tls_untrusted: {
    from: ['registry'],
    retry: true,
    fault: 'wrong',
    problem: 'credential_rejected',
    advice: 'Store the CA certificate of the registry: `PATCH {"ca_pem": …}`.',
  },
  realm_not_trusted: {
    from: ['registry'],
    retry: true,
    fault: 'refused',
    problem: 'credential_rejected',
    advice:
      'Check the host that the registry wants credentials sent to. If it belongs to the registry, accept it with `PATCH {"realm": …}`.',
  },
  token_unusable: {
    from: ['registry'],
    retry: true,
    fault: 'wrong',
    problem: 'provider_not_supported',
    advice: 'Fix the token service of the registry: Fairlead cannot use what it returns.',
  },
  bearer_unsupported: {
    from: ['registry'],
    retry: true,
    fault: 'wrong',
    problem: 'provider_not_supported',
    advice: 'Choose another registry for short-lived credentials: this one issues no tokens.',
  },
  credentials_missing: {
    from: ['registry'],
    retry: true,
    fault: 'refused',
    problem: 'credential_rejected',
    advice: 'Send the secret again with `PATCH`, then verify the account.',
  },
  credentials_rejected: {
    from: ['registry'],
    retry: true,
    fault: 'refused',
    problem: 'credential_rejected',
    advice: 'Store a credential that the registry accepts: `PATCH {"credentials": …}`.',
  },
  credentials_unproven: {
    from: ['registry'],
    retry: true,
    fault: 'wrong',
    problem: 'credential_rejected',
    advice: 'Add a private repository to the checks: this registry also lets anonymous clients in.',
  },
  not_visible: {
    from: ['registry'],
    retry: true,
    fault: 'refused',
    problem: 'repository_not_reachable',
    advice: 'Correct the name of the repository, or give the credential access to it.',
  },
  pull_denied: {
    from: ['registry'],
    retry: true,
    fault: 'refused',
    problem: 'permission_missing',
    advice: 'Allow the credential to pull from the repository.',
  },
  pull_unproven: {
    from: ['registry'],
    retry: true,
    fault: 'wrong',
    problem: 'permission_missing',
    advice: 'Check at the registry that the credential can pull from the repository.',
  },
  push_denied: {
    from: ['registry'],
    retry: true,
    fault: 'refused',
    problem: 'permission_missing',
    advice: 'Allow the credential to push to the repository.',
  },
  push_unproven: {
    from: ['registry'],
    retry: true,
    fault: 'wrong',
    problem: 'permission_missing',
    advice: 'Check at the registry that the credential can push to the repository.',
  },
} as const satisfies Record<string, FailureFacts>;
