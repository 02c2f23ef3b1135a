import type { Db } from '../store/connection.ts';

/** How many rows wait for the relay, each counted over an index of nothing but such rows. */
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
