import type { PendingDelivery } from '../../db/deliveries/delivery-queue.ts';
import { refHeadsIn } from '../../db/deliveries/ref-heads.ts';
import type { Transaction } from '../../db/store/connection.ts';
import { headDoubtMs } from '../../domain/deliveries/delivery-log.ts';
import type { PullRequestEvent, PushEvent } from '../../domain/deliveries/github-events.ts';

type Pending = Pick<PendingDelivery, 'origin' | 'receivedAt'>;

/**
 * Whether this push and one that was decided are the same: we had noticed the head by ourselves, and now the provider
 * tells of it, or the other way round. The same head pushed twice is two pushes.
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
  // What we noticed is old news where the provider has told of a later push meanwhile.
  if (delivery.origin === 'synthetic') return head.sha === event.after || head.pushedAt > pushedAt;
  if (head.noticed?.sha !== event.after) return false;
  const isStillThere = head.sha === event.after && head.origin === 'synthetic';
  return isStillThere || pushedAt <= head.noticed.at + headDoubtMs;
}

/** Remembers where the branch is, for the day on which nobody tells. */
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
