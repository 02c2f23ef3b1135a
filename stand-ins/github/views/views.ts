import type { Account, App, Installation, InstallationRequest, Repository, State } from '../state.ts';

/** A time as GitHub's API writes it: whole seconds. */
export function timestamp(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}

export function nodeId(kind: string, id: number | string): string {
  return `${kind}_${Buffer.from(String(id)).toString('base64url')}`;
}

export function userView({ url: web, apiUrl: api }: State, { login, id, type }: Account) {
  const self = `${api}/users/${encodeURIComponent(login)}`;
  return {
    login,
    id,
    node_id: nodeId('U', id),
    avatar_url: `${web}/avatars/u/${id}?v=4`,
    gravatar_id: '',
    url: self,
    html_url: `${web}/${encodeURIComponent(login)}`,
    followers_url: `${self}/followers`,
    following_url: `${self}/following{/other_user}`,
    gists_url: `${self}/gists{/gist_id}`,
    starred_url: `${self}/starred{/owner}{/repo}`,
    subscriptions_url: `${self}/subscriptions`,
    organizations_url: `${self}/orgs`,
    repos_url: `${self}/repos`,
    events_url: `${self}/events{/privacy}`,
    received_events_url: `${self}/received_events`,
    type,
    user_view_type: 'public',
    site_admin: false,
  };
}

export function senderView(state: State) {
  return userView(state, state.person);
}

export function botView(state: State, app: App) {
  return userView(state, { login: `${app.slug}[bot]`, id: app.appId + 1_000_000, type: 'User' });
}

export function appView(state: State, app: App) {
  return {
    id: app.appId,
    slug: app.slug,
    node_id: nodeId('A', app.appId),
    client_id: app.clientId,
    owner: userView(state, app.owner),
    name: app.name,
    description: '',
    external_url: 'https://fairlead.example/',
    html_url: `${state.url}/${state.flavour === 'ghes' ? 'github-apps' : 'apps'}/${app.slug}`,
    created_at: timestamp(app.createdAt),
    updated_at: timestamp(app.createdAt),
    permissions: app.permissions,
    events: app.events,
    installations_count: [...state.installations.values()].filter(({ appId }) => appId === app.appId).length,
  };
}

export function installationView(state: State, installation: Installation) {
  const { id, appId, account, suspendedAt } = installation;
  const settings = account.type === 'Organization' ? `organizations/${account.login}/settings` : 'settings';
  return {
    id,
    client_id: state.apps.get(appId)?.clientId ?? '',
    account: userView(state, account),
    repository_selection: installation.repositorySelection,
    access_tokens_url: `${state.apiUrl}/app/installations/${id}/access_tokens`,
    repositories_url: `${state.apiUrl}/installation/repositories`,
    html_url: `${state.url}/${settings}/installations/${id}`,
    app_id: appId,
    app_slug: state.apps.get(appId)?.slug ?? '',
    target_id: account.id,
    target_type: account.type,
    permissions: installation.permissions,
    events: installation.events,
    created_at: timestamp(installation.createdAt),
    updated_at: timestamp(installation.createdAt),
    single_file_name: null,
    has_multiple_single_files: false,
    single_file_paths: [],
    suspended_by: suspendedAt ? senderView(state) : null,
    suspended_at: suspendedAt ? timestamp(suspendedAt) : null,
  };
}

export function installationRequestView(state: State, { id, account, requester, createdAt }: InstallationRequest) {
  return {
    id,
    node_id: nodeId('IR', id),
    account: userView(state, account),
    requester: userView(state, requester),
    created_at: timestamp(createdAt),
  };
}

const repositoryUrls = {
  archive_url: '{archive_format}{/ref}',
  assignees_url: 'assignees{/user}',
  blobs_url: 'git/blobs{/sha}',
  branches_url: 'branches{/branch}',
  collaborators_url: 'collaborators{/collaborator}',
  comments_url: 'comments{/number}',
  commits_url: 'commits{/sha}',
  compare_url: 'compare/{base}...{head}',
  contents_url: 'contents/{+path}',
  contributors_url: 'contributors',
  deployments_url: 'deployments',
  downloads_url: 'downloads',
  events_url: 'events',
  forks_url: 'forks',
  git_commits_url: 'git/commits{/sha}',
  git_refs_url: 'git/refs{/sha}',
  git_tags_url: 'git/tags{/sha}',
  hooks_url: 'hooks',
  issue_comment_url: 'issues/comments{/number}',
  issue_events_url: 'issues/events{/number}',
  issues_url: 'issues{/number}',
  keys_url: 'keys{/key_id}',
  labels_url: 'labels{/name}',
  languages_url: 'languages',
  merges_url: 'merges',
  milestones_url: 'milestones{/number}',
  notifications_url: 'notifications{?since,all,participating}',
  pulls_url: 'pulls{/number}',
  releases_url: 'releases{/id}',
  stargazers_url: 'stargazers',
  statuses_url: 'statuses/{sha}',
  subscribers_url: 'subscribers',
  subscription_url: 'subscription',
  tags_url: 'tags',
  teams_url: 'teams',
  trees_url: 'git/trees{/sha}',
};

export function repositoryView(state: State, repository: Repository) {
  const { id, name, fullName } = repository;
  const self = `${state.apiUrl}/repos/${fullName}`;
  const html = `${state.url}/${fullName}`;
  const created = timestamp(repository.createdAt);
  return {
    id,
    node_id: nodeId('R', id),
    name,
    full_name: fullName,
    private: repository.private,
    owner: userView(state, repository.ownerAccount),
    html_url: html,
    description: null,
    fork: false,
    url: self,
    ...Object.fromEntries(Object.entries(repositoryUrls).map(([key, path]) => [key, `${self}/${path}`])),
    created_at: created,
    updated_at: created,
    pushed_at: created,
    git_url: `${html.replace(/^https?/, 'git')}.git`,
    ssh_url: `git@github.com:${fullName}.git`,
    clone_url: `${html}.git`,
    svn_url: html,
    homepage: null,
    size: 1,
    stargazers_count: 0,
    watchers_count: 0,
    language: null,
    has_issues: true,
    has_projects: true,
    has_downloads: true,
    has_wiki: true,
    has_pages: false,
    has_discussions: false,
    forks_count: 0,
    mirror_url: null,
    archived: repository.archived ?? false,
    disabled: false,
    open_issues_count: 0,
    license: null,
    allow_forking: true,
    is_template: false,
    web_commit_signoff_required: false,
    topics: [],
    visibility: repository.private ? 'private' : 'public',
    forks: 0,
    open_issues: 0,
    watchers: 0,
    default_branch: repository.defaultBranch,
    permissions: { admin: false, maintain: false, push: false, triage: false, pull: false },
  };
}

/** What only the answer for one repository has. */
export function fullRepositoryView(state: State, repository: Repository) {
  return { ...repositoryView(state, repository), network_count: 0, subscribers_count: 0 };
}

const signature = (at: number) => ({ name: 'Octo Cat', email: 'octocat@example.com', date: timestamp(at) });

export function commitView(state: State, repository: Repository, sha: string) {
  const self = `${state.apiUrl}/repos/${repository.fullName}`;
  const tree = { sha, url: `${self}/git/trees/${sha}` };
  return {
    sha,
    node_id: nodeId('C', sha),
    url: `${self}/commits/${sha}`,
    html_url: `${state.url}/${repository.fullName}/commit/${sha}`,
    comments_url: `${self}/commits/${sha}/comments`,
    commit: {
      author: signature(repository.createdAt),
      committer: signature(repository.createdAt),
      message: messageOf(repository, sha),
      tree,
      url: `${self}/git/commits/${sha}`,
      comment_count: 0,
      verification: { verified: false, reason: 'unsigned', signature: null, payload: null, verified_at: null },
    },
    author: senderView(state),
    committer: senderView(state),
    parents: [],
  };
}

/** A commit as Git knows it, without whom GitHub takes its people for. */
export function gitCommitView(state: State, repository: Repository, sha: string) {
  const self = `${state.apiUrl}/repos/${repository.fullName}`;
  const who = signature(repository.createdAt);
  return {
    sha,
    node_id: nodeId('C', sha),
    url: `${self}/git/commits/${sha}`,
    html_url: `${state.url}/${repository.fullName}/commit/${sha}`,
    author: who,
    committer: who,
    message: messageOf(repository, sha),
    tree: { sha, url: `${self}/git/trees/${sha}` },
    parents: [],
    verification: { verified: false, reason: 'unsigned', signature: null, payload: null, verified_at: null },
  };
}

function messageOf(repository: Repository, sha: string): string {
  return repository.messages.get(sha) ?? 'A commit';
}
