import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Registry } from 'prom-client';
import { chainAudit } from '../../db/ops/audit-chain.ts';
import { beat, hasUnchainedAudit } from '../../db/ops/relays.ts';
import { createPurge } from '../../db/purge.ts';
import { commandsIn } from '../../db/store/commands.ts';
import type { Database } from '../../db/store/connection.ts';
import type { Retention } from '../../domain/ops/retention.ts';
import type { Logger } from '../../log.ts';
import { deliveryDecider } from '../deliveries/decide-delivery.ts';
import { eventSource } from '../deliveries/read-event.ts';
import type { TemporalStarter } from '../temporal-starter.ts';
import { createAuditHeads } from './audit-heads.ts';
import { createCommandWork } from './commands.ts';
import { createDeliveryWork } from './deliveries.ts';
import { giveUpCommand } from './give-up-command.ts';
import { type Loop, startLoop } from './loop.ts';
import { createReachability } from './reachability.ts';
import { createRelayMetrics } from './relay-metrics.ts';

const sweepMs = 1_000;
const heartbeatMs = 2_000;
const recheckMs = 60_000;
const purgeMs = 3_600_000;
/** The pause between two batches, in which others can write. */
const purgeRestMs = 100;

export type Relay = {
  start(): Promise<void>;
  /** Stops after the current work. */
  stop(): Promise<void>;
};

/**
 * Moves work out of the database: deliveries to decisions and builds, commands to Temporal, and audit rows into their
 * chains. Commits wake it, and it also looks every second. Any number of relays can share one Postgres.
 */
export function createRelay({
  database,
  temporal,
  logger,
  registry,
  patienceMs,
  pull,
  recheckSecrets,
  closed,
  retention,
}: {
  database: Database;
  temporal: TemporalStarter;
  logger: Logger;
  registry: Registry;
  /** How long a delivery waits for its repository to become known. */
  patienceMs?: number;
  /** Starts to read the providers' logs if they cannot reach Fairlead. It is not awaited. */
  pull?: { everyMs: number; work(): Promise<unknown> };
  /** Resolves the incidents of secrets that open again. */
  recheckSecrets?: () => Promise<void>;
  /** Ends or resumes the rows of workflows that an operator ended in Temporal. */
  closed?: { everyMs: number; work(): Promise<void> };
  /** How long old data is kept. */
  retention?: Retention;
}): Relay {
  const id = `${hostname()}-${process.pid}-${randomBytes(3).toString('hex')}`;
  const reachability = createReachability(temporal);
  const metrics = createRelayMetrics(registry);
  const shared = { database, metrics, logger };
  const auditHeads = createAuditHeads(logger);
  const purge = createPurge(database, { ...(retention && { retention }) });
  let stops: (() => unknown)[] = [];

  function loop(name: string, everyMs: number, work: (isStopping: () => boolean) => Promise<boolean>): Loop {
    const started = startLoop({ name, everyMs, work, logger });
    stops.push(started.stop);
    return started;
  }

  async function heartbeat(): Promise<boolean> {
    const wasUp = reachability.isUp;
    const temporalReachable = await reachability.check();
    if (wasUp !== temporalReachable) {
      logger.warn(temporalReachable ? 'Temporal is back' : 'Temporal is away: builds start once it is back');
    }
    await database.write((trx) => beat(trx, { id, temporalReachable }));
    return false;
  }

  return {
    async start() {
      // SQLite has one process, so a claim that exists at the start belongs to a dead process.
      if (database.dialect === 'sqlite') await database.write((trx) => commandsIn(trx).releaseClaims());
      const deliveries = loop(
        'deliveries',
        sweepMs,
        createDeliveryWork({
          ...shared,
          source: eventSource,
          decider: deliveryDecider,
          ...(patienceMs !== undefined && { patienceMs }),
        }),
      );
      const commands = loop(
        'commands',
        sweepMs,
        createCommandWork({ ...shared, temporal, reachability, giveUp: giveUpCommand }),
      );
      const audit = loop('audit', sweepMs, async () => {
        auditHeads.tell();
        if (!(await hasUnchainedAudit(database.reader))) return false;
        const { count, heads } = await database.write((trx) => chainAudit(trx));
        auditHeads.note(heads);
        return count > 0;
      });
      loop('heartbeat', heartbeatMs, heartbeat);
      if (pull) loop('pull', pull.everyMs, () => pull.work().then(() => false));
      if (recheckSecrets) loop('secrets', recheckMs, () => recheckSecrets().then(() => false));
      if (closed) {
        loop('closed-workflows', closed.everyMs, async () => {
          if (reachability.isUp) await closed.work();
          return false;
        });
      }
      loop('purge', purgeMs, async () => {
        const more = await purge();
        if (more) await new Promise((resolve) => setTimeout(resolve, purgeRestMs));
        return more;
      });
      stops.push(
        database.onWake('deliveries', deliveries.wake),
        database.onWake('commands', commands.wake),
        database.onWake('audit', audit.wake),
      );
    },
    async stop() {
      const stopping = stops;
      stops = [];
      await Promise.all(stopping.map((stop) => stop()));
      auditHeads.tell(true);
    },
  };
}
