import { type AppLimits, appLimits, hasRoom } from '../../db/github/app-room.ts';
import type { GithubApp } from '../../db/github/github-apps.ts';
import type { Database } from '../../db/store/connection.ts';
import { perPage } from '../../providers/github/client.ts';
import { Refusal } from '../refusals.ts';

/** So many repositories GitHub lets one account have. */
export const mostOfInstallation = 100_000;

/** Refuses what would make an organization's App larger than Fairlead keeps: its GitHub may be without an end. */
export async function requireRoom(
  database: Database,
  app: Pick<GithubApp, 'id' | 'orgId'>,
  kind: keyof AppLimits,
  externalIds: number[],
  limits = appLimits,
): Promise<void> {
  const most = limits[kind];
  if (await hasRoom(database.reader, app, { kind, externalIds, most })) return;
  throw tooMany(kind, `The App has more than ${most} ${kind}, which is as many as are kept of one App`);
}

/** Refuses a page that comes after as many pages as there may be. */
export function requireEnd(page: number, kind: keyof AppLimits, most: number): void {
  if (page > Math.ceil(most / perPage)) throw tooMany(kind, `There are more pages than ${most} ${kind} take`);
}

function tooMany(kind: keyof AppLimits, message: string): Refusal {
  return new Refusal(`too_many_${kind}`, message);
}
