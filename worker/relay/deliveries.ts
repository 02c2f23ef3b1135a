import { type DeliveryOutcome, deliveryQueue, type PendingDelivery } from '../../db/deliveries/delivery-queue.ts';
import type { Database, Transaction } from '../../db/store/connection.ts';
import { isTransient } from '../../db/store/errors.ts';
import type { Logger } from '../../log.ts';
import type { Decided } from '../deliveries/decide-pipelines.ts';
import { createFactsReader, type FactsSource } from './delivery-facts.ts';
import type { RelayMetrics } from './relay-metrics.ts';
import { createWaitingRoom, type WaitingRoom } from './waiting-room.ts';

/** A batch that takes longer is cut short, because others wait for the one writer. */
const mostMs = 250;
/** Under load the intake's commits come first. Fewer and larger batches leave more time to them. */
const manyAtOnce = 25;
const rest = { timesOfWork: 4, leastMs: 50, mostMs: 1_000 };
/** The attempts for one delivery. After that only a redelivery by the provider retries it. */
const mostTries = 5;

/** Decides one delivery after the other in a transaction, from what is known of each. */
export type Decider<Facts> = (trx: Transaction) => (delivery: PendingDelivery, facts: Facts) => Promise<Decided>;

/**
 * Decides the received deliveries, a batch per transaction. It reads their bodies before that, outside the transaction.
 * A claim lets several relays share the work. If a batch fails, it decides the deliveries one by one, so that a bad
 * delivery does not delay the others.
 */
export function createDeliveryWork<Facts>({
  database,
  source,
  decider,
  metrics,
  logger,
  firstRestMs = 500,
  patienceMs = 60_000,
  lookAgainMs = 2_000,
  room = createWaitingRoom(),
}: {
  database: Database;
  source: FactsSource<Facts>;
  decider: Decider<Facts>;
  metrics: RelayMetrics;
  logger: Logger;
  /** The pause after a delivery's first failure. It doubles after each further one. */
  firstRestMs?: number;
  /** How long a delivery waits for a sync. */
  patienceMs?: number;
  /** The pause before the next attempt to decide a waiting delivery. */
  lookAgainMs?: number;
  room?: WaitingRoom;
}): () => Promise<boolean> {
  /** The deliveries that failed here, by the time of their next attempt. */
  const resting = new Map<string, number>();
  const facts = createFactsReader({ database, source });

  function mayWait({ id, receivedAt }: PendingDelivery, overtakes: Decided['overtakes']): boolean {
    if (!overtakes || Date.now() - receivedAt >= patienceMs) return false;
    return room.enter(id, overtakes, Date.now() + lookAgainMs);
  }

  /** Decides the claimed deliveries that are read and need not wait. Groups those with the same outcome. */
  async function decideAll(trx: Transaction, claimed: PendingDelivery[]): Promise<Outcomes> {
    const decide = decider(trx);
    const began = performance.now();
    // Most deliveries have the same outcome as many others, and are written together.
    const alike: Outcomes = new Map();
    for (const delivery of claimed) {
      if (performance.now() - began > mostMs) break;
      const known = facts.of(delivery.id);
      if (known === undefined) continue;
      const { overtakes, conclude, ...outcome } = await decide(delivery, known);
      if (mayWait(delivery, overtakes)) continue;
      await conclude?.();
      const key = JSON.stringify(outcome);
      const group = alike.get(key) ?? { outcome, ids: [] };
      group.ids.push(delivery.id);
      alike.set(key, group);
    }
    for (const { outcome, ids } of alike.values()) await deliveryQueue(trx).finish(ids, outcome);
    return alike;
  }

  function note(outcomes: Outcomes): void {
    for (const { outcome, ids } of outcomes.values()) {
      metrics.deliveries.inc({ status: outcome.status, reason: outcome.reason }, ids.length);
      for (const id of ids) forget(id);
    }
  }

  function forget(id: string): void {
    room.leave(id);
    facts.forget(id);
    resting.delete(id);
  }

  async function decideAlone(id: string): Promise<void> {
    try {
      const outcomes = await database.write(async (trx) => decideAll(trx, await deliveryQueue(trx).claim([id])));
      resting.delete(id);
      note(outcomes);
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
      forget(id);
      metrics.deliveries.inc({ status: 'failed', reason: 'decision_failed' });
      logger.error({ err: error, delivery: id }, 'delivery could not be decided and was given up');
    } else {
      resting.set(id, Date.now() + firstRestMs * 2 ** tries);
      logger.warn({ err: error, delivery: id, tries }, 'delivery could not be decided');
    }
  }

  /** Whether another relay held all deliveries that this relay wanted last. */
  let isContended = false;

  return async () => {
    const now = Date.now();
    room.prune(now);
    const due = [...resting].filter(([, until]) => until <= now).map(([id]) => id);
    for (const id of due) await decideAlone(id);

    const isHeld = (id: string) => resting.has(id) || room.holds(id, now);
    const { ids, more } = await facts.next({ isHeld, isContended });
    if (ids.length === 0) {
      isContended = false;
      return more;
    }
    let claimed: PendingDelivery[] = [];
    const began = performance.now();
    try {
      const outcomes = await database.write(async (trx) => {
        claimed = await deliveryQueue(trx).claim(ids);
        return decideAll(trx, claimed);
      });
      note(outcomes);
    } catch (error) {
      if (claimed.length === 0) throw error;
      logger.warn({ err: error, deliveries: claimed.length }, 'a batch of deliveries is decided one by one');
      for (const { id } of claimed) await decideAlone(id);
    }
    const wasContended = isContended;
    isContended = claimed.length === 0;
    if (claimed.length >= manyAtOnce) await pauseAfter(performance.now() - began);
    return claimed.length > 0 || more || !wasContended;
  };
}

type Outcomes = Map<string, { outcome: DeliveryOutcome; ids: string[] }>;

/** A fifth of the one writer's time is more than Temporal can use to start builds. */
async function pauseAfter(workedMs: number): Promise<void> {
  const ms = Math.min(rest.mostMs, Math.max(rest.leastMs, workedMs * rest.timesOfWork));
  await new Promise((resolve) => setTimeout(resolve, ms));
}
