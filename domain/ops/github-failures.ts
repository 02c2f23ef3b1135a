import type { FailureFacts } from './failure-facts.ts';

/** The problem if GitHub does not let the GitHub App reach a repository. */
const unreachable = { repository: 'repository_not_reachable', token: 'repository_not_reachable' } as const;

/**
 * Failures that only GitHub has, apart from `gone`: Fairlead also uses it if a row was deleted. Only checks of
 * registries read `fault`: `wrong` keeps a good credential.
 */
export const githubFailures = {
  app_credentials_rejected: {
    from: ['github'],
    retry: false,
    fault: 'wrong',
    problem: { app: 'github_app_rejected' },
    advice: 'Add a new private key: `POST /v1/integrations/{integration}/credentials/rotate`.',
  },
  installation_suspended: {
    from: ['github'],
    retry: false,
    fault: 'wrong',
    problem: unreachable,
    advice: 'Unsuspend the installation in the settings of the account at GitHub.',
  },
  installation_gone: {
    from: ['github'],
    retry: false,
    fault: 'wrong',
    problem: unreachable,
    advice: 'Install the GitHub App again, or delete the integration.',
  },
  token_rejected: {
    from: ['github'],
    retry: true,
    fault: 'wrong',
    problem: 'provider_unavailable',
    advice: 'Authorize the account again if the retry fails as well.',
  },
  not_found: {
    from: ['github'],
    retry: false,
    fault: 'wrong',
    problem: unreachable,
    advice: 'Check that the repository exists and that the GitHub App has access to it.',
  },
  moved: {
    from: ['github'],
    retry: false,
    fault: 'wrong',
    problem: unreachable,
    advice: 'Start a sync of the installations, so that Fairlead learns the new name of the repository.',
  },
  conflict: {
    from: ['github'],
    retry: false,
    fault: 'wrong',
    problem: 'provider_unavailable',
    advice: 'Check the state of the resource at GitHub, then send the request again.',
  },
  gone: {
    from: ['github'],
    retry: false,
    fault: 'wrong',
    problem: unreachable,
    advice: 'Choose another repository, or restore this one at GitHub.',
  },
  workflow_file_missing: {
    from: ['github'],
    retry: false,
    fault: 'wrong',
    problem: 'provider_unavailable',
    advice: 'Add the workflow file to the default branch, and give the GitHub App access to the repository.',
  },
  workflow_not_dispatchable: {
    from: ['github'],
    retry: false,
    fault: 'wrong',
    problem: 'provider_unavailable',
    advice: 'Add a `workflow_dispatch` trigger to the workflow file.',
  },
  workflow_inputs_undeclared: {
    from: ['github'],
    retry: false,
    fault: 'wrong',
    problem: 'provider_unavailable',
    advice: 'Declare the same inputs in the workflow file as in the pipeline.',
  },
  workflow_inputs_too_many: {
    from: ['github'],
    retry: false,
    fault: 'wrong',
    problem: 'provider_unavailable',
    advice: 'Remove inputs from the pipeline: this GitHub accepts fewer.',
  },
  workflow_disabled: {
    from: ['github'],
    retry: false,
    fault: 'wrong',
    problem: 'provider_unavailable',
    advice: 'Enable the workflow in the Actions tab of the repository.',
  },
  actions_disabled: {
    from: ['github'],
    retry: false,
    fault: 'wrong',
    problem: 'provider_unavailable',
    advice: 'Enable GitHub Actions in the settings of the repository.',
  },
  ref_missing: {
    from: ['github'],
    retry: false,
    fault: 'wrong',
    problem: 'provider_unavailable',
    advice: 'Push the branch or tag, or choose another one.',
  },
  manifest_code_refused: {
    from: ['github'],
    retry: false,
    fault: 'wrong',
    problem: 'provider_unavailable',
    advice: 'Create the GitHub App again: a code works once and for one hour.',
  },
  conversion_unauthorized: {
    from: ['github'],
    retry: true,
    fault: 'wrong',
    problem: 'provider_unavailable',
    advice: 'Create the GitHub App again if the retry fails as well.',
  },
} as const satisfies Record<string, FailureFacts>;
