import { outageSubject } from '../../domain/registries/registry-watch.ts';
import { incidentsIn } from '../ops/incidents.ts';
import type { Transaction } from '../store/connection.ts';
import { everything } from '../store/tenant.ts';

type Place = { orgId: string; hostUrl: string };

const code = 'registry_unavailable';

/** Where another integration was answered so lately, it is not the registry that is away. */
const heardLatelyMs = 10 * 60_000;

/** One incident of an organization for a registry, however many of its integrations are on it. */
export async function raiseOutage(trx: Transaction, { orgId, hostUrl }: Place): Promise<void> {
  const heard = await trx('integrations')
    .where({ org_id: orgId, host_url: hostUrl })
    .where('last_success_at', '>', Date.now() - heardLatelyMs)
    .first('id');
  if (heard) return;
  const title = `The registry ${new URL(hostUrl).host} cannot be reached, or fails`;
  const subjectId = outageSubject(orgId, hostUrl);
  await incidentsIn(trx, everything).raise({ orgId, projectId: null, code, subjectId, title });
}

/** It has answered: that ends the outage, and those that wait for it are asked again soon. */
export async function endOutage(trx: Transaction, { orgId, hostUrl }: Place): Promise<void> {
  const incidents = incidentsIn(trx, everything);
  const subjectId = outageSubject(orgId, hostUrl);
  if (!(await incidents.isOpen(code, subjectId))) return;
  await incidents.resolveSubject(code, subjectId);
  const now = Date.now();
  const waiting = trx('integrations')
    .where({ org_id: orgId, host_url: hostUrl })
    .where('strikes', '>', 0)
    .where('next_check_at', '>', now)
    .orderBy('id')
    .select('id');
  // One that is asked just now holds its row: it tells by itself.
  if (trx.client.config.client === 'pg') waiting.forUpdate().skipLocked();
  const ids = (await waiting).map(({ id }) => id);
  await trx('integrations').whereIn('id', ids).update({ next_check_at: now });
}

/** Ends the outages that nobody is left to wait for. */
export async function endMootOutages(trx: Transaction): Promise<void> {
  const open = await trx('incidents').where({ code, status: 'open' }).select('subject_id', 'org_id');
  if (open.length === 0) return;
  const waiting = await trx('integrations')
    .whereIn('org_id', [...new Set(open.flatMap(({ org_id: orgId }) => orgId ?? []))])
    .where('strikes', '>', 0)
    .whereNotIn('status', ['deleting', 'deleted', 'expired'])
    .distinct('org_id', 'host_url');
  const held = new Set(waiting.map(({ org_id: orgId, host_url: hostUrl }) => outageSubject(orgId, hostUrl)));
  const moot = open.map(({ subject_id: id }) => id).filter((id) => !held.has(id));
  await incidentsIn(trx, everything).resolveSubject(code, ...moot);
}
