import { closedIntegrationStatuses } from '../../domain/integrations/integration-status.ts';
import { isSilence } from '../../domain/registries/registry-verdicts.ts';
import {
  afterRefusal,
  afterSilence,
  nextCheckAt,
  outageSubject,
  strikesToAct,
} from '../../domain/registries/registry-watch.ts';
import type { Integration } from '../integrations/integrations.ts';
import { allIncidents } from '../ops/incidents.ts';
import type { Transaction } from '../store/connection.ts';
import { skipLocked } from '../store/locks.ts';

type Place = { orgId: string; hostUrl: string };

const code = 'registry_unavailable';

/** If another integration got a response this recently, the registry has no outage. */
const heardLatelyMs = 10 * 60_000;

/** Raises one incident per organization and registry, however many of its integrations use the registry. */
export async function raiseOutage(trx: Transaction, { orgId, hostUrl }: Place): Promise<void> {
  const heard = await trx('integrations')
    .where({ org_id: orgId, host_url: hostUrl })
    .where('last_success_at', '>', Date.now() - heardLatelyMs)
    .first('id');
  if (heard) return;
  const title = `The registry ${new URL(hostUrl).host} cannot be reached, or fails`;
  const subjectId = outageSubject(orgId, hostUrl);
  await allIncidents(trx).raise({ orgId, projectId: null, code, subjectId, title });
}

/** Ends the outage after the registry has responded. The integrations that wait for it are checked again soon. */
export async function endOutage(trx: Transaction, { orgId, hostUrl }: Place): Promise<void> {
  const incidents = allIncidents(trx);
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
  // A check that runs now has locked its row, and reports the result.
  const ids = (await skipLocked(waiting)).map(({ id }) => id);
  await trx('integrations').whereIn('id', ids).update({ next_check_at: now });
}

/** Ends the outages that no integration waits for. */
export async function endMootOutages(trx: Transaction): Promise<void> {
  const open = await trx('incidents').where({ code, status: 'open' }).select('subject_id', 'org_id');
  if (open.length === 0) return;
  const waiting = await trx('integrations')
    .whereIn('org_id', [...new Set(open.flatMap(({ org_id: orgId }) => orgId ?? []))])
    .where('strikes', '>', 0)
    .whereNotIn('status', closedIntegrationStatuses)
    .distinct('org_id', 'host_url');
  const held = new Set(waiting.map(({ org_id: orgId, host_url: hostUrl }) => outageSubject(orgId, hostUrl)));
  const moot = open.map(({ subject_id: id }) => id).filter((id) => !held.has(id));
  await allIncidents(trx).resolveSubject(code, ...moot);
}

type Watched = Pick<Integration, 'id' | 'orgId' | 'hostUrl'>;

/** Returns the number of consecutive checks that the registry refused and that Fairlead does not believe yet. */
export async function refusalsOf(trx: Transaction, id: string): Promise<number> {
  return (await trx('integrations').where({ id }).first('refusals'))?.refusals ?? 0;
}

/**
 * Stores that the registry has responded, with any result. A refusal that Fairlead does not believe yet is checked
 * again soon.
 */
export async function noteAnswer(trx: Transaction, integration: Watched, refusals: number): Promise<void> {
  const now = Date.now();
  const next = refusals > 0 ? afterRefusal(now, refusals) : nextCheckAt(now, Math.random());
  await trx('integrations').where({ id: integration.id }).update({ strikes: 0, refusals, next_check_at: next });
  await endOutage(trx, integration);
}

/**
 * Stores that the registry has not responded. This says nothing about the credential, so the count of refusals stays.
 * The third time in a row raises an incident, unless the integration never worked: then the person who connects it sees
 * the failure.
 */
export async function noteSilence(
  trx: Transaction,
  integration: Watched & Pick<Integration, 'status' | 'lastSuccessAt'>,
  code: string,
): Promise<void> {
  if (integration.status === 'deleting') return;
  const { id, lastSuccessAt } = integration;
  const now = Date.now();
  const before = (await trx('integrations').where({ id }).first('strikes'))?.strikes ?? 0;
  const strikes = isSilence(code) ? before + 1 : before;
  const next = strikes > before ? afterSilence(now, strikes, Math.random()) : nextCheckAt(now, Math.random());
  await trx('integrations').where({ id }).update({ checked_at: now, strikes, next_check_at: next });
  if (strikes > before && strikes >= strikesToAct && lastSuccessAt !== null) await raiseOutage(trx, integration);
}
