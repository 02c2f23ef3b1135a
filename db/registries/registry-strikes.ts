import { isSilence } from '../../domain/registries/registry-verdicts.ts';
import { afterRefusal, afterSilence, nextCheckAt, strikesToAct } from '../../domain/registries/registry-watch.ts';
import type { Integration } from '../integrations/integrations.ts';
import type { Transaction } from '../store/connection.ts';
import { endOutage, raiseOutage } from './registry-outages.ts';

type Watched = Pick<Integration, 'id' | 'orgId' | 'hostUrl'>;

/** Checks in a row that were refused, and are not believed yet. */
export async function refusalsOf(trx: Transaction, id: string): Promise<number> {
  return (await trx('integrations').where({ id }).first('refusals'))?.refusals ?? 0;
}

/** Whatever the answer was, somebody has answered. What is refused and not believed yet is asked again soon. */
export async function noteAnswer(trx: Transaction, integration: Watched, refusals: number): Promise<void> {
  const now = Date.now();
  const next = refusals > 0 ? afterRefusal(now, refusals) : nextCheckAt(now, Math.random());
  await trx('integrations').where({ id: integration.id }).update({ strikes: 0, refusals, next_check_at: next });
  await endOutage(trx, integration);
}

/**
 * Nobody has answered: that says nothing of the credential, and leaves the refusals before it what they are. The third
 * time in a row somebody is told, unless it never worked: then whoever connects it sees that.
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
