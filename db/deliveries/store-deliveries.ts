import type { Knex } from 'knex';
import { bodyMissing, type DeliveryOrigin, staleReasons } from '../../domain/deliveries/delivery-status.ts';
import { newId } from '../../domain/ids.ts';
import type { Db, Transaction } from '../store/connection.ts';
import type { DeliveryRow } from '../store/tables.ts';
import { wake } from '../store/wakes.ts';
import { largeBodiesIn } from './large-bodies.ts';

/** A verified webhook, unchanged. */
export type NewDelivery = {
  githubAppId: string;
  providerDeliveryId: string;
  event: string;
  /**
   * Identifies equal content. It is set for events that trigger builds, so that a delivery with another ID counts as
   * the same one.
   */
  contentKey: string | null;
  headers: Record<string, string>;
  body: Buffer;
  origin?: DeliveryOrigin;
  /** The size of a body that is already stored in parts, and the ID of its delivery. Then `body` is empty. */
  storedAs?: { id: string; size: number };
};

type Identity = Pick<NewDelivery, 'githubAppId' | 'providerDeliveryId' | 'contentKey'>;

export type StoredDelivery = {
  id: string;
  /** Whether it was stored before, by its ID or by its content. */
  duplicate: boolean;
  /** Whether it was stored before with the same ID but another body. The first one counts. */
  differs: boolean;
};

const columns =
  'id, github_app_id, provider_delivery_id, event, content_key, headers, size, origin, status, attempts, received_at';
const bodiesPerInsert = 50;

/**
 * Stores new deliveries and finds known ones, in the caller's transaction. Returns results in the order of
 * `deliveries`. A known delivery that had failed, or was ignored because Fairlead knew too little, is queued again.
 */
export async function storeDeliveries(trx: Transaction, deliveries: NewDelivery[]): Promise<StoredDelivery[]> {
  const now = Date.now();
  const candidates = deliveries.map((delivery) => ({ id: delivery.storedAs?.id ?? newId('dlv'), delivery }));
  // Every process uses the same order, so that two of them that store the same deliveries do not deadlock.
  const sorted = [...candidates].sort((a, b) => compare(orderOf(a.delivery), orderOf(b.delivery)));
  const values = sorted.flatMap(
    ({
      id,
      delivery: { githubAppId, providerDeliveryId, event, contentKey, headers, body, storedAs, origin = 'webhook' },
    }) => [
      id,
      githubAppId,
      providerDeliveryId,
      event,
      contentKey,
      JSON.stringify(headers),
      storedAs?.size ?? body.length,
      origin,
      now,
    ],
  );
  const places = sorted.map(() => `(?, ?, ?, ?, ?, ?, ?, ?, 'received', 0, ?)`).join(', ');
  const inserted = await rows<{ id: string }>(
    trx,
    `insert into deliveries (${columns}) values ${places} on conflict do nothing returning id`,
    values,
  );
  const isNew = new Set(inserted.map(({ id }) => id));
  await storeBodies(
    trx,
    candidates
      .filter(({ id, delivery }) => isNew.has(id) && delivery.storedAs === undefined)
      .map(({ id, delivery }) => [id, delivery.body]),
  );
  if (isNew.size > 0) wake(trx, 'deliveries');

  const results: StoredDelivery[] = [];
  for (const { id, delivery } of candidates) {
    results.push(isNew.has(id) ? { id, duplicate: false, differs: false } : await findKnown(trx, delivery));
  }
  const unused = candidates.filter(({ id, delivery }) => !isNew.has(id) && delivery.storedAs !== undefined);
  await largeBodiesIn(trx).remove(unused.map(({ id }) => id));
  return results;
}

/** Returns whether to store the body: the delivery is new, or its old body is gone and it can be decided again. */
export async function needsBody(db: Db, delivery: Identity): Promise<boolean> {
  const known = await findSame(db, delivery);
  return known === undefined || (isBodyGone(known) && known.status !== 'processed');
}

/** Queues those of the given deliveries that had failed and still have their bodies. Returns their number. */
export async function armFailedDeliveries(trx: Transaction, githubAppId: string, guids: string[]): Promise<number> {
  const failed = trx('deliveries').where({ github_app_id: githubAppId, status: 'failed' }).modify(withBody);
  return arm(trx, failed.whereIn('provider_delivery_id', guids));
}

async function storeBodies(trx: Transaction, bodies: [id: string, body: Buffer][]): Promise<void> {
  for (let at = 0; at < bodies.length; at += bodiesPerInsert) {
    const some = bodies.slice(at, at + bodiesPerInsert);
    const places = some.map(() => '(?, ?)').join(', ');
    await trx.raw(`insert into delivery_bodies (delivery_id, body) values ${places}`, some.flat());
  }
}

async function findKnown(trx: Transaction, delivery: NewDelivery): Promise<StoredDelivery> {
  const known = await findSame(trx, delivery);
  if (!known) throw new Error('A delivery was neither stored nor found');
  const isSameId = known.provider_delivery_id === delivery.providerDeliveryId;
  const differs = known.content_key !== delivery.contentKey;
  const isGone = isBodyGone(known);
  // Another body must not take the place of the one that is gone.
  if (!(isGone && differs)) {
    const isArmed =
      known.status === 'failed'
        ? await armFailed(trx, known.id)
        : isSameId && known.status === 'ignored' && (await armStale(trx, known.id));
    if (isGone && isArmed) await restoreBody(trx, known.id, delivery);
  }
  return { id: known.id, duplicate: true, differs };
}

/** Returns whether the body was removed because of its age, or was incomplete when Fairlead wanted to read it. */
function isBodyGone({ reason, body_removed_at }: DeliveryRow): boolean {
  return body_removed_at !== null || reason === bodyMissing;
}

/** Limits a query to deliveries for which `isBodyGone` is false. */
export function withBody(deliveries: Knex.QueryBuilder): void {
  deliveries.whereNull('body_removed_at').whereNot('reason', bodyMissing);
}

/** Stores the body of a redelivery in the place of the one that is gone. */
async function restoreBody(trx: Transaction, id: string, { body, storedAs }: NewDelivery): Promise<void> {
  await trx('delivery_bodies').where({ delivery_id: id }).delete();
  if (storedAs) await largeBodiesIn(trx).move(storedAs.id, id);
  else {
    await largeBodiesIn(trx).remove([id]);
    await storeBodies(trx, [[id, body]]);
  }
  await trx('deliveries')
    .where({ id })
    .update({ size: storedAs?.size ?? body.length, body_removed_at: null });
}

async function findSame(
  db: Db,
  { githubAppId, providerDeliveryId, contentKey }: Identity,
): Promise<DeliveryRow | undefined> {
  const ofApp = () => db('deliveries').where({ github_app_id: githubAppId });
  const sameId: DeliveryRow | undefined = await ofApp().where({ provider_delivery_id: providerDeliveryId }).first();
  if (sameId || contentKey === null) return sameId;
  return ofApp().where({ content_key: contentKey }).first();
}

/** Queues a failed delivery again. Returns false if another process has decided it since. */
async function armFailed(trx: Transaction, id: string): Promise<boolean> {
  return (await arm(trx, trx('deliveries').where({ id, status: 'failed' }))) > 0;
}

/**
 * Queues an ignored delivery again, and deletes its decisions. All of them say that nothing was built. Returns false if
 * it cannot be decided again.
 */
async function armStale(trx: Transaction, id: string): Promise<boolean> {
  const decisions = () => trx('decisions').where({ delivery_id: id });
  const stale = trx('deliveries').where({ id, status: 'ignored' }).whereIn('reason', staleReasons);
  if ((await arm(trx, stale.whereNotExists(decisions().whereNotNull('build_id')))) === 0) return false;
  await decisions().delete();
  return true;
}

/**
 * Queues deliveries again and returns their number. Their time of receipt is now, so that they get the full retry time
 * again.
 */
export async function arm(trx: Transaction, query: Knex.QueryBuilder): Promise<number> {
  const received = { status: 'received', reason: null, attempts: 0, decided_at: null, received_at: Date.now() };
  const armed: number = await query.update(received);
  if (armed > 0) wake(trx, 'deliveries');
  return armed;
}

async function rows<Row>(db: Db, sql: string, values: (string | number | null)[]): Promise<Row[]> {
  const answer = await db.raw(sql, values as never);
  return Array.isArray(answer) ? answer : answer.rows;
}

function orderOf({ contentKey, providerDeliveryId }: NewDelivery): string {
  return contentKey ?? providerDeliveryId;
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
