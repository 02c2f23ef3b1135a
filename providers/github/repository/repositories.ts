import { ProviderError } from '../../failure.ts';
import { idIn, nextPage, orUndefined, pageIn, perPage, textIn } from '../client.ts';
import { type Conversation, split } from '../conversation.ts';

export type Repository = {
  id: number;
  owner: string;
  name: string;
  /** `owner/name`. A rename or transfer changes it, but not the id. */
  fullName: string;
  url: string;
  visibility: 'public' | 'private' | 'internal';
  defaultBranch: string;
  archived: boolean;
};

export type RepositoryPage = {
  repositories: Repository[];
  totalCount: number;
  next: number | undefined;
  etag: string | undefined;
};

const standings = ['identical', 'ahead', 'behind', 'diverged'] as const;
export type Standing = (typeof standings)[number];

export type Branch = { name: string; sha: string };

export type Workflow = { id: number; name: string; path: string; state: string };

/** Repositories and their content, as far as the token reaches. */
export function repositoriesOf({ request, read }: Conversation) {
  const listRepositories = (page: number, headers: Record<string, string>): Promise<RepositoryPage> =>
    read(
      () => request('GET /installation/repositories', { per_page: perPage, page, headers }),
      (data, answer) => ({
        repositories: pageIn(data.repositories).map(toRepository),
        totalCount: countIn(data.total_count),
        next: nextPage(answer, page),
        etag: etagIn(answer),
      }),
    );
  return {
    /** A page of 100. Deduplicate by id, because pages shift while they are read. */
    listRepositories: (page = 1) => listRepositories(page, {}),

    /** The same page, unless it still has this ETag. GitHub does not count that request. */
    async listRepositoriesUnless(etag: string, page: number): Promise<RepositoryPage | undefined> {
      try {
        return await listRepositories(page, { 'if-none-match': etag });
      } catch (error) {
        if (error instanceof ProviderError && error.status === 304) return undefined;
        throw error;
      }
    },

    /**
     * Finds a repository by its id, which renames do not change. Undefined if it no longer exists or the token does not
     * reach it.
     */
    getRepositoryById(repositoryId: number): Promise<Repository | undefined> {
      return orUndefined(
        read(
          () => request('GET /repositories/{repository_id}', { repository_id: repositoryId }),
          (data) => toRepository(data as RawRepository),
        ),
      );
    },

    /** A page of 100 branches. With `q`, all branches whose names begin with it, in one answer. */
    listBranches(
      fullName: string,
      { page = 1, q = '' }: { page?: number; q?: string } = {},
    ): Promise<{ branches: Branch[]; next: number | undefined }> {
      const repository = split(fullName);
      if (q !== '') {
        return read(
          () => request('GET /repos/{owner}/{repo}/git/matching-refs/{ref}', { ...repository, ref: `heads/${q}` }),
          (data) => ({
            branches: data.map(({ ref, object }) => ({ name: ref.replace(/^refs\/heads\//, ''), sha: object.sha })),
            next: undefined,
          }),
        );
      }
      return read(
        () => request('GET /repos/{owner}/{repo}/branches', { ...repository, per_page: perPage, page }),
        (data, answer) => ({ branches: pageIn(data).map(toBranch), next: nextPage(answer, page) }),
      );
    },

    getBranch(fullName: string, branch: string): Promise<Branch | undefined> {
      return orUndefined(
        read(() => request('GET /repos/{owner}/{repo}/branches/{branch}', { ...split(fullName), branch }), toBranch),
      );
    },

    /**
     * Compares a branch or tag with a commit. `ahead` means that the commit is in its history. Undefined if one of them
     * does not exist.
     */
    compare(fullName: string, sha: string, ref: string): Promise<Standing | undefined> {
      const basehead = `${sha}...${ref}`;
      return orUndefined(
        read(
          // The first page contains the changed files.
          () =>
            request('GET /repos/{owner}/{repo}/compare/{basehead}', {
              ...split(fullName),
              basehead,
              per_page: 1,
              page: 2,
            }),
          ({ status }) => {
            if (!standings.includes(status)) throw new TypeError('no standing');
            return status;
          },
        ),
      );
    },

    /** Undefined if the repository has no such commit. */
    getCommitMessage(fullName: string, sha: string): Promise<string | undefined> {
      return orUndefined(
        read(
          () => request('GET /repos/{owner}/{repo}/git/commits/{commit_sha}', { ...split(fullName), commit_sha: sha }),
          ({ message }) => message,
        ),
      );
    },

    /** `file` is the name below `.github/workflows/`. Undefined if the default branch has no such workflow. */
    getWorkflow(fullName: string, file: string): Promise<Workflow | undefined> {
      return orUndefined(
        read(
          () =>
            request('GET /repos/{owner}/{repo}/actions/workflows/{workflow_id}', {
              ...split(fullName),
              workflow_id: file,
            }),
          (data) => ({ id: idIn(data), name: data.name, path: data.path, state: data.state }),
        ),
      );
    },

    /** A text file of at most 1 MB at a branch, tag or commit. Undefined if it does not exist. */
    readFile(fullName: string, path: string, ref: string): Promise<string | undefined> {
      return orUndefined(
        read(
          () => request('GET /repos/{owner}/{repo}/contents/{path}', { ...split(fullName), path, ref }),
          (data) => {
            if (Array.isArray(data) || !('content' in data) || data.encoding !== 'base64') return undefined;
            return Buffer.from(data.content, 'base64').toString('utf8');
          },
        ),
      );
    },
  };
}

type RawRepository = {
  id: number | bigint;
  owner: { login: string };
  name: string;
  full_name: string;
  html_url: string;
  visibility?: string;
  private: boolean;
  default_branch: string;
  archived?: boolean;
};

function toRepository(raw: RawRepository): Repository {
  const { visibility } = raw;
  const known = visibility === 'public' || visibility === 'private' || visibility === 'internal';
  return {
    id: idIn(raw),
    owner: textIn(raw.owner.login),
    name: textIn(raw.name),
    fullName: textIn(raw.full_name),
    url: textIn(raw.html_url),
    visibility: known ? visibility : raw.private ? 'private' : 'public',
    defaultBranch: textIn(raw.default_branch),
    archived: raw.archived === true,
  };
}

/** This answer decides whether repositories are removed, so it is checked. */
function countIn(value: unknown): number {
  if (Number.isSafeInteger(value)) return value as number;
  throw new TypeError('not a count');
}

/** A malformed ETag would make the next request fail. */
function etagIn({ headers }: { headers: Record<string, unknown> }): string | undefined {
  const etag = String(headers['etag'] ?? '');
  return /^(?:W\/)?"[\x21\x23-\x7e]{0,200}"$/.test(etag) ? etag : undefined;
}

function toBranch({ name, commit }: { name: string; commit: { sha: string } }): Branch {
  return { name, sha: commit.sha };
}
