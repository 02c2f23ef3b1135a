import { newSha, type Repository, zeroSha } from '../state.ts';

export type Push = {
  /** `refs/heads/…` or `refs/tags/…`. */
  ref: string;
  before?: string;
  after?: string;
  headCommit?: { message?: string; id?: string };
  /** The commits, oldest first. The last one is the head. */
  commits?: { message?: string; id: string }[];
  deleted?: boolean;
  forced?: boolean;
};

/** Moves a branch or a tag, and records the parent of each commit. */
export function moveRef(repository: Repository, push: Push): { before: string; after: string; deleted: boolean } {
  const refs = push.ref.startsWith('refs/tags/') ? repository.tags : repository.branches;
  const name = push.ref.replace(/^refs\/(heads|tags)\//, '');
  const before = push.before ?? refs.get(name) ?? zeroSha;
  const deleted = push.deleted ?? push.after === zeroSha;
  const after = deleted ? zeroSha : (push.after ?? push.commits?.at(-1)?.id ?? newSha());
  if (deleted) refs.delete(name);
  else refs.set(name, after);
  if (!deleted && !push.forced && before !== zeroSha && before !== after) repository.parents.set(after, before);
  return { before, after, deleted };
}
