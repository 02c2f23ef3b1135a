import type { Db } from '../store/connection.ts';

/**
 * Whether the project is there, or the organization where it is for no project of it; and it stays there until this
 * transaction ends: whoever deletes it waits, and then finds what was begun in it. To be asked before anything else of
 * the owner's is locked, since that is where its deletion begins.
 */
export async function holdOwner(
  trx: Db,
  { orgId, projectId }: { orgId: string; projectId?: string | null | undefined },
): Promise<boolean> {
  const one = trx(projectId == null ? 'orgs' : 'projects').where({ id: projectId ?? orgId });
  // The one writer of SQLite needs no lock.
  if (trx.client.config.client === 'pg') one.forShare();
  return (await one.whereNull('deleted_at').first()) !== undefined;
}
