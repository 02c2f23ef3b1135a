import type { Knex } from 'knex';
import { type DeliveryOrigin, staleReasons } from '../../domain/deliveries/delivery-status.ts';
import { newId } from '../../domain/ids.ts';
import type { Db, Transaction } from '../store/connection.ts';
import type { DeliveryRow } from '../store/tables.ts';
import { wake } from '../store/wakes.ts';

/** A verified webhook, as it came. */
export type NewDelivery = {
  githubAppId: string;
  providerDeliveryId: string;
  event: string;
  /** What else must be the same for it to be the same delivery: set for the events that trigger builds. */
  contentKey: string | null;
  headers: Record<string, string>;
  body: Buffer;
  origin?: DeliveryOrigin;
};

export type StoredDelivery = {
  id: string;
  /** Known already, by its id or by its content. */
  duplicate: boolean;
  /** Known by its id, but with another body: the first one counts. */
  differs: boolean;
};

const columns =
  'id, github_app_id, provider_delivery_id, event, content_key, headers, size, origin, status, attempts, received_at';
const bodiesPerInsert = 50;

/**
 * Stores what is new and finds what is not, in the caller's transaction; answers in the order of `deliveries`. One
 * that had failed, or was ignored because we knew too little, is armed again by being sent again.
 */
export async function storeDeliveries(trx: Transaction, deliveries: NewDelivery[]): Promise<StoredDelivery[]> {
  const now = Date.now();
  const candidates = deliveries.map((delivery) => ({ id: newId('dlv'), delivery }));
  // The same order in every process, so that two of them that store the same things do not wait for each other.
  const sorted = [...candidates].sort((a, b) => compare(orderOf(a.delivery), orderOf(b.delivery)));
  const values = sorted.flatMap(
    ({ id, delivery: { githubAppId, providerDeliveryId, event, contentKey, headers, body, origin = 'webhook' } }) => [
      id,
      githubAppId,
      providerDeliveryId,
      event,
      contentKey,
      JSON.stringify(headers),
      body.length,
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
    candidates.filter(({ id }) => isNew.has(id)).map(({ id, delivery }) => [id, delivery.body]),
  );
  if (isNew.size > 0) wake(trx, 'deliveries');

  const results: StoredDelivery[] = [];
  for (const { id, delivery } of candidates) {
    results.push(isNew.has(id) ? { id, duplicate: false, differs: false } : await findKnown(trx, delivery));
  }
  return results;
}

/** Those of them that failed here are decided anew; answers how many these are. */
export async function armFailedDeliveries(trx: Transaction, githubAppId: string, guids: string[]): Promise<number> {
  const failed = trx('deliveries').where({ github_app_id: githubAppId, status: 'failed' });
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
  const { githubAppId, providerDeliveryId, contentKey } = delivery;
  const ofApp = () => trx('deliveries').where({ github_app_id: githubAppId });
  const sameId: DeliveryRow | undefined = await ofApp().where({ provider_delivery_id: providerDeliveryId }).first();
  const known: DeliveryRow | undefined = sameId ?? (await ofApp().where({ content_key: contentKey }).first());
  if (!known) throw new Error('A delivery was neither stored nor found');
  if (known.status === 'failed') await armFailed(trx, known.id);
  else if (sameId && known.status === 'ignored') await armStale(trx, known.id);
  return { id: known.id, duplicate: true, differs: known.content_key !== contentKey };
}

/** What was decided meanwhile by another process is left as it is. */
async function armFailed(trx: Transaction, id: string): Promise<void> {
  await arm(trx, trx('deliveries').where({ id, status: 'failed' }));
}

/** Its decisions all say that nothing was built: they are made anew. */
async function armStale(trx: Transaction, id: string): Promise<void> {
  const decisions = () => trx('decisions').where({ delivery_id: id });
  const stale = trx('deliveries').where({ id, status: 'ignored' }).whereIn('reason', staleReasons);
  if ((await arm(trx, stale.whereNotExists(decisions().whereNotNull('build_id')))) > 0) await decisions().delete();
}

/** Its patience begins anew, so it counts as received now. Answers how many were armed. */
async function arm(trx: Transaction, query: Knex.QueryBuilder): Promise<number> {
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
