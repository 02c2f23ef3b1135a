import type { Db } from '../store/connection.ts';

/** How many rows each organization's own App may have here; its GitHub may be anybody's. */
export type AppLimits = { installations: number; repositories: number };

export const appLimits: AppLimits = { installations: 10_000, repositories: 100_000 };

/**
 * Whether these, by GitHub's numbers, may be kept beside what is there of the App, removed ones included: what is known
 * may always be written anew. The operator's App, on a host that the operator trusts, has no such limit.
 */
export async function hasRoom(
  db: Db,
  { id, orgId }: { id: string; orgId: string | null },
  { kind, externalIds, most }: { kind: keyof AppLimits; externalIds: readonly number[]; most: number },
): Promise<boolean> {
  if (orgId === null) return true;
  const distinct = [...new Set(externalIds)];
  const rows = () => db(kind).where({ github_app_id: id });
  const known = await rows().whereIn('external_id', distinct).pluck('external_id');
  if (known.length === distinct.length) return true;
  const [all] = await rows().count({ count: '*' });
  return Number(all?.count) + distinct.length - known.length <= most;
}
