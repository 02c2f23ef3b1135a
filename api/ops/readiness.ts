import { z } from 'zod';
import { allIncidents } from '../../db/ops/incidents.ts';
import { relayHealth } from '../../db/ops/relays.ts';
import type { Database } from '../../db/store/connection.ts';
import { instanceSubject } from '../../domain/ops/incidents.ts';
import { Problem } from '../http/problems.ts';

export const Readiness = z
  .object({
    status: z.enum(['ok', 'degraded']),
    reason: z.enum(['no_relay', 'temporal_away', 'clock_skew']).nullable(),
  })
  .meta({ id: 'Readiness' });

export type Readiness = z.infer<typeof Readiness>;

/** Returns how the instance is. Throws the problem `unavailable` if nothing can be stored. */
export async function readinessOf(database: Database): Promise<Readiness> {
  const health = await relayHealth(database.reader).catch(() => {
    throw new Problem('unavailable', 'Nothing can be stored. Check the database.');
  });
  if (health !== 'ok') return { status: 'degraded', reason: health };
  const isOff = await allIncidents(database.reader).isOpen('clock_skew', instanceSubject);
  return isOff ? { status: 'degraded', reason: 'clock_skew' } : { status: 'ok', reason: null };
}
