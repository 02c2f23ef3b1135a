import type { Db } from '../store/connection.ts';
import { everything } from '../store/tenant.ts';
import { buildsIn } from './builds.ts';

/** Ends a build at once where nothing was sent, else as soon as the provider was asked to. False where it is over. */
export async function cancelBuild(trx: Db, id: string, reason: string): Promise<boolean> {
  const builds = buildsIn(trx, everything);
  if (await builds.moveStatus(id, 'canceled', { reason, from: ['queued', 'blocked'] })) return true;
  return builds.requestCancel(id, reason);
}
