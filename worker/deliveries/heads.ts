import type { PendingDelivery } from '../../db/deliveries/delivery-queue.ts';
import { refHeadsIn } from '../../db/deliveries/ref-heads.ts';
import type { Transaction } from '../../db/store/connection.ts';
import { headDoubtMs } from '../../domain/deliveries/delivery-log.ts';
import type { PullRequestEvent, PushEvent } from '../../domain/deliveries/github-events.ts';

type Pending = Pick<PendingDelivery, 'origin' | 'receivedAt'>;

/**
 * Returns whether a push repeats a decided one: Fairlead detected the commit and the provider reports it later, or the
 * reverse. Two pushes of the same commit by the provider count as two.
 */
export async function isDecidedHead(
  trx: Transaction,
  delivery: Pending,
  event: PushEvent | PullRequestEvent,
  repositoryId: string,
): Promise<boolean> {
  if (event.kind !== 'push' || event.refType !== 'branch') return false;
  const head = await refHeadsIn(trx).lock(repositoryId, event.ref);
  if (!head) return false;
  const pushedAt = pushedAtOf(delivery, event);
  // A detected commit is outdated if the provider has reported a later push since.
  if (delivery.origin === 'synthetic') return head.sha === event.after || head.pushedAt > pushedAt;
  if (head.noticed?.sha !== event.after) return false;
  const isStillThere = head.sha === event.after && head.origin === 'synthetic';
  return isStillThere || pushedAt <= head.noticed.at + headDoubtMs;
}

/** Stores the branch's commit, to detect pushes that the provider never reports. */
export async function noteHead(
  trx: Transaction,
  delivery: Pending,
  event: PushEvent | PullRequestEvent,
  repositoryId: string,
): Promise<void> {
  if (event.kind !== 'push' || event.refType !== 'branch') return;
  const { ref, after: sha } = event;
  const heads = refHeadsIn(trx);
  const pushedAt = pushedAtOf(delivery, event);
  if (event.deleted) await heads.remove(repositoryId, ref, pushedAt);
  else await heads.note(repositoryId, { ref, sha, origin: delivery.origin, pushedAt });
}

function pushedAtOf({ receivedAt }: Pending, { pushedAt }: PushEvent): number {
  return pushedAt ?? receivedAt;
}
