import { type Account, type Installation, newSha, type Repository, type Run, type State, zeroSha } from '../state.ts';
import { installationView, nodeId, repositoryView, senderView, timestamp, userView } from '../views/views.ts';
import { runView } from '../views/views-of-runs.ts';
import { moveRef, type Push } from './move-ref.ts';
import { type Payload, short } from './webhooks.ts';

/** The fields of every repository event. */
export function context(state: State, repository: Repository, appId?: number): Payload {
  const seen = [...state.installations.values()].find(
    (one) => one.appId === appId && one.repositoryIds.has(repository.id),
  );
  const installation = seen ?? state.installations.get(repository.installationId);
  return {
    repository: repositoryView(state, repository),
    ...(repository.ownerAccount.type === 'Organization' && { organization: organization(state, repository) }),
    sender: senderView(state),
    ...(installation && { installation: short(installation) }),
  };
}

function organization(state: State, { ownerAccount: { login, id } }: Repository) {
  const self = `${state.apiUrl}/orgs/${login}`;
  return {
    login,
    id,
    node_id: nodeId('O', id),
    url: self,
    repos_url: `${self}/repos`,
    events_url: `${self}/events`,
    hooks_url: `${self}/hooks`,
    issues_url: `${self}/issues`,
    members_url: `${self}/members{/member}`,
    public_members_url: `${self}/public_members{/member}`,
    avatar_url: `${state.url}/avatars/u/${id}?v=4`,
    description: '',
  };
}

/** Moves the ref and returns GitHub's event about it. */
export function pushPayload(state: State, repository: Repository, push: Push): Payload {
  const { before, after, deleted } = moveRef(repository, push);
  const given = push.commits ?? [{ message: push.headCommit?.message, id: push.headCommit?.id ?? after }];
  const commits = deleted ? [] : given.map(({ id, message }) => commitOf(state, repository, id, message));
  const html = `${state.url}/${repository.fullName}`;
  return {
    ref: push.ref,
    before,
    after,
    ...context(state, repository),
    // Only a push has two times as numbers and a name of the owner.
    repository: {
      ...repositoryView(state, repository),
      owner: { ...userView(state, repository.ownerAccount), name: repository.owner, email: null },
      stargazers: 0,
      created_at: Math.floor(repository.createdAt / 1000),
      pushed_at: Math.floor(state.now() / 1000),
      master_branch: repository.defaultBranch,
    },
    pusher: { name: 'octocat', email: 'octocat@example.com' },
    created: before === zeroSha,
    deleted,
    forced: push.forced ?? false,
    base_ref: null,
    compare: `${html}/compare/${before.slice(0, 12)}...${after.slice(0, 12)}`,
    commits,
    head_commit: commits.at(-1) ?? null,
  };
}

function commitOf(state: State, repository: Repository, id: string, message = 'A change') {
  const person = { name: 'Octo Cat', email: 'octocat@example.com', username: 'octocat' };
  return {
    id,
    tree_id: id,
    distinct: true,
    message,
    timestamp: timestamp(state.now()),
    url: `${state.url}/${repository.fullName}/commit/${id}`,
    author: person,
    committer: person,
    added: [],
    removed: [],
    modified: ['README.md'],
  };
}

export type PullRequest = {
  action?: string;
  number?: number;
  headRef?: string;
  headSha?: string;
  baseRef?: string;
  /** The head is in another account's repository. */
  fork?: boolean;
  draft?: boolean;
  title?: string;
  /** The message of the head commit, which the payload does not contain. */
  message?: string;
};

export function pullRequestPayload(state: State, repository: Repository, input: PullRequest): Payload {
  const { action = 'opened', number = 1, headRef = 'feature', baseRef = repository.defaultBranch } = input;
  const headSha = input.headSha ?? repository.branches.get(headRef) ?? newSha();
  if (!input.fork) repository.branches.set(headRef, headSha);
  if (input.message !== undefined) repository.messages.set(headSha, input.message);
  const self = `${state.apiUrl}/repos/${repository.fullName}`;
  const html = `${state.url}/${repository.fullName}/pull/${number}`;
  const head = input.fork ? forkOf(repository) : repository;
  const user = userView(state, head.ownerAccount);
  const id = repository.id * 1000 + number;
  const links = {
    self: `${self}/pulls/${number}`,
    html,
    issue: `${self}/issues/${number}`,
    comments: `${self}/issues/${number}/comments`,
    review_comments: `${self}/pulls/${number}/comments`,
    review_comment: `${self}/pulls/comments{/number}`,
    commits: `${self}/pulls/${number}/commits`,
    statuses: `${self}/statuses/${headSha}`,
  };
  const side = (from: Repository, ref: string, sha: string) => ({
    label: `${from.owner}:${ref}`,
    ref,
    sha,
    user: userView(state, from.ownerAccount),
    repo: { ...repositoryView(state, from), fork: from !== repository },
  });
  return {
    action,
    number,
    ...(action === 'synchronize' && { before: newSha(), after: headSha }),
    pull_request: {
      url: links.self,
      id,
      node_id: nodeId('PR', id),
      html_url: html,
      diff_url: `${html}.diff`,
      patch_url: `${html}.patch`,
      issue_url: links.issue,
      number,
      state: action === 'closed' ? 'closed' : 'open',
      locked: false,
      title: input.title ?? 'A change',
      user,
      body: null,
      created_at: timestamp(state.now()),
      updated_at: timestamp(state.now()),
      closed_at: action === 'closed' ? timestamp(state.now()) : null,
      merged_at: null,
      merge_commit_sha: null,
      assignee: null,
      assignees: [],
      requested_reviewers: [],
      requested_teams: [],
      labels: [],
      milestone: null,
      draft: input.draft ?? false,
      commits_url: links.commits,
      review_comments_url: links.review_comments,
      review_comment_url: links.review_comment,
      comments_url: links.comments,
      statuses_url: links.statuses,
      head: side(head, headRef, headSha),
      base: side(repository, baseRef, repository.branches.get(baseRef) ?? zeroSha),
      _links: Object.fromEntries(Object.entries(links).map(([name, href]) => [name, { href }])),
      author_association: input.fork ? 'CONTRIBUTOR' : 'MEMBER',
      auto_merge: null,
      active_lock_reason: null,
      merged: false,
      mergeable: null,
      rebaseable: null,
      mergeable_state: 'unknown',
      merged_by: null,
      comments: 0,
      review_comments: 0,
      maintainer_can_modify: false,
      commits: 1,
      additions: 1,
      deletions: 0,
      changed_files: 1,
    },
    ...context(state, repository),
  };
}

function forkOf(repository: Repository): Repository {
  const ownerAccount = { login: 'contributor', id: 7777, type: 'User' as const };
  const fullName = `contributor/${repository.name}`;
  return { ...repository, id: repository.id + 500_000_000, owner: 'contributor', ownerAccount, fullName };
}

/** `action` follows from the status, because GitHub has only three. */
export function workflowRunPayload(state: State, run: Run): Payload {
  const repository = state.repositories.get(run.repositoryId);
  if (!repository) throw new Error(`The repository of run ${run.id} is gone`);
  const actions: Record<string, string> = { completed: 'completed', in_progress: 'in_progress' };
  return {
    action: actions[run.status] ?? 'requested',
    workflow_run: runView(state, run, repository),
    workflow: {
      id: run.workflowId,
      node_id: nodeId('W', run.workflowId),
      name: run.workflowName,
      path: run.workflowPath,
      state: 'active',
      created_at: timestamp(repository.createdAt),
      updated_at: timestamp(repository.createdAt),
      url: `${state.apiUrl}/repos/${repository.fullName}/actions/workflows/${run.workflowId}`,
      html_url: `${state.url}/${repository.fullName}/blob/${repository.defaultBranch}/${run.workflowPath}`,
      badge_url: `${state.url}/${repository.fullName}/workflows/${run.workflowName}/badge.svg`,
    },
    ...context(state, repository, run.appId),
  };
}

export function installationPayload(
  state: State,
  installation: Installation,
  action: string,
  requester?: Account,
): Payload {
  const repositories = [...installation.repositoryIds].flatMap((id) => state.repositories.get(id) ?? []);
  return {
    action,
    installation: installationView(state, installation),
    ...(['created', 'deleted', 'suspend', 'unsuspend'].includes(action) && {
      repositories: repositories.map(brief),
    }),
    ...(action === 'created' && { requester: requester ? userView(state, requester) : null }),
    sender: senderView(state),
  };
}

export function installationRepositoriesPayload(
  state: State,
  installation: Installation,
  change: { added?: Repository[]; removed?: Repository[] },
): Payload {
  return {
    action: change.removed ? 'removed' : 'added',
    installation: installationView(state, installation),
    repository_selection: installation.repositorySelection,
    repositories_added: (change.added ?? []).map(brief),
    repositories_removed: (change.removed ?? []).map(brief),
    requester: null,
    sender: senderView(state),
  };
}

export function repositoryRenamedPayload(state: State, repository: Repository, from: string): Payload {
  return { action: 'renamed', changes: { repository: { name: { from } } }, ...context(state, repository) };
}

/** For an App that reaches the repository through another installation than the first one, by `appId`. */
export function repositoryPayload(state: State, repository: Repository, action: string, appId?: number): Payload {
  return { action, ...context(state, repository, appId) };
}

export function installationTargetPayload(state: State, installation: Installation, from: string): Payload {
  return {
    action: 'renamed',
    account: userView(state, installation.account),
    changes: { login: { from } },
    installation: short(installation),
    target_type: installation.account.type,
    sender: senderView(state),
  };
}

export function authorizationRevokedPayload(state: State, user: Account): Payload {
  return { action: 'revoked', sender: userView(state, user) };
}

function brief({ id, name, fullName, private: isPrivate }: Repository) {
  return { id, node_id: nodeId('R', id), name, full_name: fullName, private: isPrivate };
}
