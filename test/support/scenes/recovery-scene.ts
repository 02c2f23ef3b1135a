import { randomUUID } from 'node:crypto';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createLogFollower } from '../../../activities/deliveries/follow-log.ts';
import { deliveryActivities } from '../../../activities/deliveries/recovery.ts';
import { withFailures } from '../../../activities/failures.ts';
import { deliveryLogIn, recoverCommand } from '../../../db/deliveries/delivery-log.ts';
import { commandsIn } from '../../../db/store/commands.ts';
import { openTestDatabase } from '../database.ts';
import { startGitHub } from '../github.ts';
import { addOperatorApp, brokerTo } from './operator-app.ts';

export const minute = 60_000;

export type RecoveryScene = Awaited<ReturnType<typeof startRecoveryScene>>;

/** An App with an unreachable webhook URL, known here and at a separate GitHub. */
export async function startRecoveryScene() {
  const database = await openTestDatabase();
  const github = await startGitHub();
  const theirs = github.addApp();
  // Nothing listens at this address.
  theirs.hookUrl = 'https://nowhere.invalid/hook';
  const installation = github.addInstallation(theirs);
  const repository = github.addRepository(installation);
  const { id: githubAppId } = await addOperatorApp(database, github, { theirs });
  const broker = brokerTo(database, github);

  return {
    database,
    github,
    theirs,
    installation,
    repository,
    githubAppId,
    broker,

    /** Pushes, so that GitHub logs a failed delivery. Returns its guid. */
    async push(guid = randomUUID() as string): Promise<string> {
      const payload = github.push(repository, { ref: 'refs/heads/main' });
      await github.sendWebhook({ app: theirs, event: 'push', payload, guid }).catch(() => {});
      return guid;
    },
    rows: () => database.reader('deliveries').orderBy('id'),
    watermark: () => deliveryLogIn(database.reader).completeUntil(githubAppId),
    asked: (path: RegExp, method = 'GET') => github.requests({ method, path }).length,

    activities(reachable: boolean) {
      const environment = new MockActivityEnvironment();
      const all = withFailures(deliveryActivities({ database, broker, reachable }));
      const run = async <Input, Result>(activity: (input: Input) => Promise<Result>, input: Input) =>
        (await environment.run(async () => activity(input))) as Result;
      const request = () => database.write(async (trx) => commandsIn(trx).add(await recoverCommand(trx, githubAppId)));
      const readUnasked = (cursor?: string) =>
        run(all.readDeliveryLog, { githubAppId, begunAt: Date.now(), ...(cursor !== undefined && { cursor }) });
      return {
        readUnasked,
        finishUnasked: (failure: { code: string; detail: string }) => run(all.finishRecovery, { githubAppId, failure }),
        async read(cursor?: string) {
          await request();
          return readUnasked(cursor);
        },
        async begin() {
          await request();
          return run(all.beginRecovery, { githubAppId });
        },
        fillGap: (repositoryId: string, ownerId: string) => run(all.fillGap, { repositoryId, ownerId }),
      };
    },

    /** Reads the log as a process does every few seconds. Adds the Apps with an unreadable log to `troubles`. */
    async follow(everyMs: number, troubles: string[] = []): Promise<boolean> {
      const onTrouble = (id: string) => troubles.push(id);
      const follower = createLogFollower({ database, broker, reachable: false }, { everyMs, onTrouble });
      return (await Promise.all(await follower.round())).includes(true);
    },

    async end(): Promise<void> {
      await database.drop();
      await github.close();
    },
  };
}
