import { reaches, requireInstallation, requireRepository } from '../access/tokens.ts';
import { type Call, ok, page, Refused, type Route } from '../answers.ts';
import { type Repository, shaOf } from '../state.ts';
import { commitView, fullRepositoryView, gitCommitView, nodeId, repositoryView } from '../views/views.ts';

/** The routes of repositories for an installation's token. */
export const repositoryRoutes: Route[] = [
  {
    method: 'GET',
    path: '/installation/repositories',
    handle(call) {
      const caller = requireInstallation(call);
      const reached = [...call.state.repositories.values()].filter((one) => reaches(caller, one));
      return page(call, reached, (some) => ({
        total_count: reached.length,
        repository_selection: caller.installation.repositorySelection,
        repositories: some.map((one) => repositoryView(call.state, one)),
      }));
    },
  },
  {
    method: 'DELETE',
    path: '/installation/token',
    handle(call) {
      requireInstallation(call).token.revoked = true;
      return { status: 204 };
    },
  },
  {
    method: 'GET',
    path: '/repos/{owner}/{repo}',
    handle: (call) => ok(fullRepositoryView(call.state, readable(call))),
  },
  {
    method: 'GET',
    path: '/repos/{owner}/{repo}/branches',
    handle(call) {
      const { repository } = requireRepository(call, 'contents:read');
      const branches = [...repository.branches].sort(([a], [b]) => (a < b ? -1 : 1));
      return page(call, branches, (some) =>
        some.map(([name, sha]) => ({ name, commit: { sha, url: commitUrl(call, repository, sha) }, protected: false })),
      );
    },
  },
  {
    method: 'GET',
    path: '/repos/{owner}/{repo}/branches/{+branch}',
    handle(call) {
      const { repository } = requireRepository(call, 'contents:read');
      const name = call.params['branch'] ?? '';
      const sha = repository.branches.get(name);
      if (!sha) throw new Refused(404, 'Branch not found');
      const self = `${call.state.apiUrl}/repos/${repository.fullName}/branches/${encodeURIComponent(name)}`;
      return ok({
        name,
        commit: commitView(call.state, repository, sha),
        _links: { self, html: `${call.state.url}/${repository.fullName}/tree/${encodeURIComponent(name)}` },
        protected: false,
        protection: { enabled: false, required_status_checks: { enforcement_level: 'off', contexts: [], checks: [] } },
        protection_url: `${self}/protection`,
      });
    },
  },
  {
    method: 'GET',
    path: '/repos/{owner}/{repo}/compare/{+basehead}',
    handle(call) {
      const repository = readable(call, 'contents:read');
      return ok(comparison(call, repository));
    },
  },
  {
    method: 'GET',
    path: '/repos/{owner}/{repo}/git/matching-refs/{+ref}',
    handle(call) {
      const { repository } = requireRepository(call, 'contents:read');
      const refs = [
        ...[...repository.branches].map(([name, sha]) => ({ ref: `refs/heads/${name}`, sha })),
        ...[...repository.tags].map(([name, sha]) => ({ ref: `refs/tags/${name}`, sha })),
      ];
      const found = refs.filter(({ ref }) => ref.startsWith(`refs/${call.params['ref']}`));
      return ok(
        found.map(({ ref, sha }) => ({
          ref,
          node_id: nodeId('REF', ref),
          url: `${call.state.apiUrl}/repos/${repository.fullName}/git/${ref}`,
          object: { sha, type: 'commit', url: commitUrl(call, repository, sha) },
        })),
      );
    },
  },
  {
    method: 'GET',
    path: '/repos/{owner}/{repo}/git/commits/{commit_sha}',
    handle(call) {
      const { repository } = requireRepository(call, 'contents:read');
      const sha = call.params['commit_sha'] ?? '';
      if (!shaOfRef(repository, sha)) throw new Refused(404, 'Not Found');
      return ok(gitCommitView(call.state, repository, sha));
    },
  },
  {
    method: 'GET',
    path: '/repos/{owner}/{repo}/contents/{+path}',
    handle(call) {
      const repository = readable(call, 'contents:read');
      const ref = call.query.get('ref') ?? repository.defaultBranch;
      if (!shaOfRef(repository, ref)) throw new Refused(404, `No commit found for the ref ${ref}`);
      const path = call.params['path'] ?? '';
      const files = filesAt(repository, ref);
      const text = files.get(path);
      if (text !== undefined) {
        if (/\.raw(\+json)?\b/.test(String(call.headers.accept))) return { status: 200, raw: text };
        return ok({ ...fileView(call, repository, path, text, ref), ...encoded(text) });
      }
      const below = [...files].filter(([name]) => name.startsWith(`${path}/`));
      if (below.length === 0) throw new Refused(404, 'Not Found');
      return ok(below.map(([name, content]) => fileView(call, repository, name, content, ref)));
    },
  },
];

/** Compares two commits. Without a common ancestor they have diverged. */
function comparison({ state, params }: Call, repository: Repository) {
  const [base = '', head = ''] = (params['basehead'] ?? '').split('...');
  const [from, to] = [shaOfRef(repository, base), shaOfRef(repository, head)];
  if (!from || !to) throw new Refused(404, 'Not Found');
  const [ahead, behind] = [historyOf(repository, to).indexOf(from), historyOf(repository, from).indexOf(to)];
  const status = from === to ? 'identical' : ahead > 0 ? 'ahead' : behind > 0 ? 'behind' : 'diverged';
  const self = `${state.apiUrl}/repos/${repository.fullName}/compare/${base}...${head}`;
  const html = `${state.url}/${repository.fullName}/compare/${base}...${head}`;
  return {
    url: self,
    html_url: html,
    permalink_url: html,
    diff_url: `${html}.diff`,
    patch_url: `${html}.patch`,
    base_commit: commitView(state, repository, from),
    merge_base_commit: commitView(state, repository, behind > 0 ? to : from),
    status,
    ahead_by: Math.max(0, ahead),
    behind_by: Math.max(0, behind),
    total_commits: Math.max(0, ahead),
    commits: [],
  };
}

/** Returns a commit and its ancestors. */
function historyOf({ parents }: Repository, sha: string): string[] {
  const history: string[] = [];
  for (let at: string | undefined = sha; at && !history.includes(at); at = parents.get(at)) history.push(at);
  return history;
}

/** Returns the commit of a branch, a tag or itself. */
export function shaOfRef(repository: Repository, ref: string): string | undefined {
  const [, kind, name = ''] = /^refs\/(heads|tags)\/(.+)$/.exec(ref) ?? [];
  if (kind) return (kind === 'heads' ? repository.branches : repository.tags).get(name);
  const shas = [...repository.branches.values(), ...repository.tags.values(), ...[...repository.parents].flat()];
  return repository.branches.get(ref) ?? repository.tags.get(ref) ?? shas.find((sha) => sha === ref);
}

/** Returns the tree at a branch. Tests can give a branch its own tree. */
export function filesAt(repository: Repository, ref: string): Map<string, string> {
  return repository.filesAt.get(ref.replace(/^refs\/(heads|tags)\//, '')) ?? repository.files;
}

function commitUrl({ state }: Call, repository: Repository, sha: string): string {
  return `${state.apiUrl}/repos/${repository.fullName}/commits/${sha}`;
}

function fileView({ state }: Call, repository: Repository, path: string, text: string, ref: string) {
  const sha = shaOf(text);
  const url = `${state.apiUrl}/repos/${repository.fullName}/contents/${path}?ref=${encodeURIComponent(ref)}`;
  const git = `${state.apiUrl}/repos/${repository.fullName}/git/blobs/${sha}`;
  const html = `${state.url}/${repository.fullName}/blob/${encodeURIComponent(ref)}/${path}`;
  return {
    name: path.split('/').at(-1) ?? '',
    path,
    sha,
    size: Buffer.byteLength(text),
    url,
    html_url: html,
    git_url: git,
    download_url: `${html}?raw=1`,
    type: 'file',
    _links: { self: url, git, html },
  };
}

/** GitHub breaks base64 into lines of 60 characters, and returns no content of files above 1 MB. */
function encoded(text: string): { content: string; encoding: string } {
  if (Buffer.byteLength(text) > 1_048_576) return { content: '', encoding: 'none' };
  const content = Buffer.from(text)
    .toString('base64')
    .replaceAll(/.{1,60}/g, '$&\n');
  return { content, encoding: 'base64' };
}

/** Every token can read a public repository, even if its installation does not reach it. */
function readable(call: Call, permission = 'metadata:read'): Repository {
  requireInstallation(call);
  const fullName = `${call.params['owner']}/${call.params['repo']}`.toLowerCase();
  const all = [...call.state.repositories.values()];
  const found = all.find((one) => one.fullName.toLowerCase() === fullName);
  return found && !found.private ? found : requireRepository(call, permission).repository;
}
