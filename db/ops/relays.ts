import type { Db } from '../store/connection.ts';

const forgottenMs = 3_600_000;
const freshMs = 15_000;

/** Stores a relay's heartbeat. Readiness uses the heartbeats, because no request asks Temporal. */
export async function beat(db: Db, relay: { id: string; temporalReachable: boolean }): Promise<void> {
  const now = Date.now();
  const seen = { seen_at: now, temporal_reachable: relay.temporalReachable };
  await db('relays')
    .insert({ id: relay.id, ...seen })
    .onConflict('id')
    .merge(seen);
  await db('relays')
    .where('seen_at', '<', now - forgottenMs)
    .delete();
}

export async function relayHealth(db: Db): Promise<'ok' | 'no_relay' | 'temporal_away'> {
  const fresh = await db('relays').where('seen_at', '>', Date.now() - freshMs);
  if (fresh.length === 0) return 'no_relay';
  return fresh.some(({ temporal_reachable }) => Boolean(temporal_reachable)) ? 'ok' : 'temporal_away';
}

/** Counts the rows that wait for the relay. Each count uses an index that holds only such rows. */
export async function countBacklog(db: Db): Promise<Record<'deliveries' | 'commands' | 'audit', number>> {
  const [deliveries, commands, audit] = await Promise.all([
    db('deliveries').where({ status: 'received' }).count({ count: '*' }).first(),
    db('commands').where({ status: 'pending' }).count({ count: '*' }).first(),
    db('audit_events').whereNull('sequence').count({ count: '*' }).first(),
  ]);
  const number = (row: { count?: string | number } | undefined) => Number(row?.count ?? 0);
  return { deliveries: number(deliveries), commands: number(commands), audit: number(audit) };
}

export async function hasUnchainedAudit(db: Db): Promise<boolean> {
  return (await db('audit_events').whereNull('sequence').select('id').first()) !== undefined;
}
