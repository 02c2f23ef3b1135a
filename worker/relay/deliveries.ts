import { type DeliveryOutcome, deliveryQueue, type PendingDelivery } from '../../db/deliveries/delivery-queue.ts';
import type { Database, Transaction } from '../../db/store/connection.ts';
import { isTransient } from '../../db/store/errors.ts';
import type { Logger } from '../../log.ts';
import type { Decided } from '../deliveries/decide-pipelines.ts';
import type { RelayMetrics } from './relay-metrics.ts';

const batch = { limit: 200, maxBytes: 8 * 1024 * 1024 };
/** A batch that takes longer is cut short, because others wait for the one writer. */
const mostMs = 250;
/** Under load the intake's commits come first. Fewer and larger batches leave more time to them. */
const manyAtOnce = 25;
const rest = { timesOfWork: 4, leastMs: 50, mostMs: 1_000 };
/**
 * A push can arrive before the news that its repository is reachable. These are the pause and the number of waiting
 * deliveries.
 */
const lookAgainMs = 2_000;
const mostWaiting = 500;
/** The attempts for one delivery. After that only a redelivery by the provider retries it. */
const mostTries = 5;

/** Called with the deliveries of one transaction, in order. */
export type Decider = (trx: Transaction) => (delivery: PendingDelivery) => Promise<Decided>;

/**
 * Decides the received deliveries, a batch per transaction. A claim lets several relays share the work. A failed batch
 * is repeated one by one, so that one bad delivery does not hold up the others.
 */
export function createDeliveryWork({
  database,
  decider,
  metrics,
  logger,
  firstRestMs = 500,
  patienceMs = 60_000,
}: {
  database: Database;
  decider: Decider;
  metrics: RelayMetrics;
  logger: Logger;
  /** The pause after a delivery's first failure. It doubles after each further one. */
  firstRestMs?: number;
  /** How long a delivery waits for a sync. */
  patienceMs?: number;
}): () => Promise<boolean> {
  /** Returns the deliveries that failed here, by the time of their next attempt. */
  const resting = new Map<string, number>();
  /** Returns the deliveries that wait for a sync, by the time of their next attempt. */
  const waiting = new Map<string, number>();

  function mayWait({ id, receivedAt }: PendingDelivery): boolean {
    if (Date.now() - receivedAt >= patienceMs || waiting.size >= mostWaiting) return false;
    waiting.set(id, Date.now() + lookAgainMs);
    return true;
  }

  async function decideAll(trx: Transaction, deliveries: PendingDelivery[]): Promise<DeliveryOutcome[]> {
    const decide = decider(trx);
    const outcomes: DeliveryOutcome[] = [];
    const began = performance.now();
    // Most deliveries have the same outcome as many others, and are written together.
    const alike = new Map<string, { outcome: DeliveryOutcome; ids: string[] }>();
    for (const delivery of deliveries) {
      if (performance.now() - began > mostMs) break;
      const { overtakes, conclude, ...outcome } = await decide(delivery);
      if (overtakes && mayWait(delivery)) continue;
      await conclude?.();
      outcomes.push(outcome);
      const key = JSON.stringify(outcome);
      const group = alike.get(key) ?? { outcome, ids: [] };
      group.ids.push(delivery.id);
      alike.set(key, group);
    }
    for (const { outcome, ids } of alike.values()) await deliveryQueue(trx).finish(ids, outcome);
    return outcomes;
  }

  function count(outcomes: DeliveryOutcome[]): void {
    for (const { status, reason } of outcomes) metrics.deliveries.inc({ status, reason });
  }

  async function decideAlone(id: string): Promise<void> {
    try {
      const outcomes = await database.write(async (trx) => {
        const delivery = await deliveryQueue(trx).claimOne(id);
        return decideAll(trx, delivery ? [delivery] : []);
      });
      count(outcomes);
      resting.delete(id);
    } catch (error) {
      await noteFailure(id, error);
    }
  }

  async function noteFailure(id: string, error: unknown): Promise<void> {
    // A failure of the database says nothing about the delivery.
    const tries = isTransient(error)
      ? 0
      : await database.write((trx) => deliveryQueue(trx).countFailure(id, mostTries, 'decision_failed'));
    if (tries >= mostTries) {
      resting.delete(id);
      metrics.deliveries.inc({ status: 'failed', reason: 'decision_failed' });
      logger.error({ err: error, delivery: id }, 'delivery could not be decided and was given up');
    } else {
      resting.set(id, Date.now() + firstRestMs * 2 ** tries);
      logger.warn({ err: error, delivery: id, tries }, 'delivery could not be decided');
    }
  }

  return async () => {
    const now = Date.now();
    const due = [...resting].filter(([, until]) => until <= now).map(([id]) => id);
    for (const id of due) await decideAlone(id);

    for (const [id, until] of waiting) if (until <= now) waiting.delete(id);

    const except = [...resting.keys(), ...waiting.keys()];
    if (await deliveryQueue(database.reader).isEmpty(except)) return false;
    let claimed: PendingDelivery[] = [];
    const began = performance.now();
    try {
      const outcomes = await database.write(async (trx) => {
        claimed = await deliveryQueue(trx).claim({ ...batch, except });
        return decideAll(trx, claimed);
      });
      count(outcomes);
    } catch (error) {
      if (claimed.length === 0) throw error;
      logger.warn({ err: error, deliveries: claimed.length }, 'a batch of deliveries is decided one by one');
      for (const { id } of claimed) await decideAlone(id);
    }
    if (claimed.length >= manyAtOnce) await pauseAfter(performance.now() - began);
    return claimed.length > 0;
  };
}

/** A fifth of the one writer's time is more than Temporal can use to start builds. */
async function pauseAfter(workedMs: number): Promise<void> {
  const ms = Math.min(rest.mostMs, Math.max(rest.leastMs, workedMs * rest.timesOfWork));
  await new Promise((resolve) => setTimeout(resolve, ms));
}
