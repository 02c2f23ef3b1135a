import type { Shape } from './pick-json.ts';

const numbered = { id: 'value' } as const;
const check = { ...numbered, head_sha: 'value', external_id: 'value', app: numbered } as const;

/** The parts of a webhook that Fairlead reads, of all events together. */
export const githubShape: Shape = {
  action: 'value',
  number: 'value',
  ref: 'value',
  before: 'value',
  after: 'value',
  created: 'value',
  deleted: 'value',
  forced: 'value',
  head_commit: { ...numbered, message: 'value' },
  pull_request: {
    number: 'value',
    draft: 'value',
    title: 'value',
    head: { sha: 'value', ref: 'value', repo: numbered },
    base: { sha: 'value', ref: 'value' },
  },
  workflow_run: {
    ...numbered,
    run_attempt: 'value',
    status: 'value',
    conclusion: 'value',
    display_title: 'value',
    name: 'value',
    head_sha: 'value',
    html_url: 'value',
    event: 'value',
  },
  check_run: check,
  check_suite: check,
  repository: { ...numbered, pushed_at: 'value' },
  installation: {
    ...numbered,
    account: { ...numbered, login: 'value', type: 'value' },
    created_at: 'value',
    suspended_at: 'value',
    target_type: 'value',
    repository_selection: 'value',
    permissions: 'texts',
  },
  repositories: [numbered],
  repositories_added: [numbered],
  repositories_removed: [numbered],
  requester: numbered,
  sender: numbered,
};
