import { commandsIn, type PendingCommand } from '../../db/store/commands.ts';
import type { Database, Transaction } from '../../db/store/connection.ts';
import type { Logger } from '../../log.ts';
import { CommandRefused, TemporalAway, type TemporalStarter } from '../temporal-starter.ts';
import { inParallel } from './in-parallel.ts';
import type { Reachability } from './reachability.ts';
import type { RelayMetrics } from './relay-metrics.ts';

/** The claim lasts for four rounds of sixteen calls of five seconds each. */
const batchSize = 64;
const width = 16;
const claimMs = 30_000;
const firstDelayMs = 200;
const longestDelayMs = 30_000;

type Outcome = { command: PendingCommand } & (
  | { result: 'done' }
  | { result: 'refused'; error: string }
  | { result: 'again'; error: string; dueAt: number }
);

/**
 * Sends the stored commands to Temporal. It claims them in one transaction, sends them outside of any, and marks them
 * as done in the next claim. An outage of Temporal loses nothing, and a command that is sent twice is harmless.
 */
export function createCommandWork({
  database,
  temporal,
  reachability,
  giveUp,
  metrics,
  logger,
}: {
  database: Database;
  temporal: TemporalStarter;
  reachability: Reachability;
  /** Called with a command that can never be carried out. */
  giveUp: (trx: Transaction, command: PendingCommand) => Promise<void>;
  metrics: RelayMetrics;
  logger: Logger;
}): (isStopping: () => boolean) => Promise<boolean> {
  async function carryOut(command: PendingCommand): Promise<Outcome> {
    // The other commands of this batch have already found that Temporal is away.
    if (!reachability.isUp) return { command, result: 'again', error: 'TemporalAway', dueAt: Date.now() };
    try {
      await handOver(temporal, command);
      return { command, result: 'done' };
    } catch (error) {
      if (error instanceof CommandRefused) {
        logger.error({ err: error, command: command.id, workflowId: command.workflowId }, 'command was refused');
        return { command, result: 'refused', error: error.message.slice(0, 500) };
      }
      if (error instanceof TemporalAway) reachability.markAway();
      const { name } = error instanceof Error ? error : new Error('unknown');
      logger.warn({ err: error, command: command.id, workflowId: command.workflowId }, 'command will be tried again');
      return { command, result: 'again', error: name, dueAt: Date.now() + delayAfter(command.attempts) };
    }
  }

  async function settle(trx: Transaction, outcomes: Outcome[]): Promise<void> {
    const done = outcomes.filter(({ result }) => result === 'done').map(({ command }) => command.id);
    await commandsIn(trx).markDone(done);
    for (const outcome of outcomes) {
      if (outcome.result === 'again') {
        await commandsIn(trx).release(outcome.command.id, outcome.dueAt, outcome.error);
      } else if (outcome.result === 'refused') {
        await commandsIn(trx).markFailed(outcome.command.id, outcome.error);
        await giveUp(trx, outcome.command);
      }
    }
  }

  return async (isStopping) => {
    if (!(await commandsIn(database.reader).hasDue())) return false;
    if (!reachability.isUp && !(await reachability.check())) return false;
    let outcomes: Outcome[] = [];
    do {
      const before = outcomes;
      const claimed = await database.write(async (trx) => {
        if (before.length > 0) await settle(trx, before);
        return reachability.isUp && !isStopping() ? commandsIn(trx).claim(batchSize, claimMs) : [];
      });
      for (const { result } of before) metrics.commands.inc({ result });
      outcomes = await inParallel(claimed, width, carryOut);
    } while (outcomes.length > 0);
    return false;
  };
}

function handOver(temporal: TemporalStarter, command: PendingCommand): Promise<void> {
  if (command.action === 'start') return temporal.start(command);
  if (command.action === 'signal') return temporal.signal(command);
  return temporal.signalWithStart(command);
}

/** The pause doubles up to half a minute. Its jitter prevents many relays from returning at once. */
function delayAfter(attempts: number): number {
  const delay = Math.min(longestDelayMs, firstDelayMs * 2 ** Math.min(attempts, 20));
  return Math.round(delay * (0.5 + Math.random() / 2));
}
