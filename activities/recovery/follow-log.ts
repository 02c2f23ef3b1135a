import { deliveryLogIn } from '../../db/delivery-log.ts';
import { githubAppsIn } from '../../db/github-apps.ts';
import { type LogDeps, readLog } from './read-log.ts';

/**
 * Reads the log of every App, one process at a time: where GitHub cannot reach us, this is how webhooks come. Answers
 * whether anything came. An App whose log cannot be read does not hold up the others.
 */
export async function followLogs(
  deps: LogDeps,
  { everyMs, onTrouble }: { everyMs: number; onTrouble(githubAppId: string, error: unknown): void },
): Promise<boolean> {
  const { database } = deps;
  let came = false;
  for (const { id: githubAppId, createdAt } of await githubAppsIn(database.reader).list()) {
    const log = deliveryLogIn(database.reader);
    if ((await log.completeUntil(githubAppId)) === undefined) {
      await database.write((trx) => deliveryLogIn(trx).begin(githubAppId, createdAt));
    }
    if (!(await log.isPollDue(githubAppId, everyMs))) continue;
    if (!(await database.write((trx) => deliveryLogIn(trx).claimPoll(githubAppId, everyMs)))) continue;
    try {
      came = (await readWhole(deps, githubAppId)) || came;
    } catch (error) {
      onTrouble(githubAppId, error);
    }
  }
  return came;
}

async function readWhole(deps: LogDeps, githubAppId: string): Promise<boolean> {
  const begunAt = Date.now();
  let came = false;
  let cursor: string | undefined;
  for (let again = true; again; ) {
    const reading = await readLog(deps, { githubAppId, cursor, begunAt });
    came ||= reading.recovered > 0;
    again = reading.again;
    cursor = reading.next ?? undefined;
  }
  return came;
}
