import type { Transaction } from '../../db/connection.ts';
import type { PendingDelivery } from '../../db/delivery-queue.ts';
import { refHeadsIn } from '../../db/ref-heads.ts';
import type { PullRequestEvent, PushEvent } from '../../domain/github-events.ts';

/**
 * Whether this push and one that was decided are the same: we had noticed the head by ourselves, and now the provider
 * tells of it, or the other way round. The same head pushed twice is two pushes.
 */
export async function isDecidedHead(
  trx: Transaction,
  { origin }: PendingDelivery,
  event: PushEvent | PullRequestEvent,
  repositoryId: string,
): Promise<boolean> {
  if (event.kind !== 'push' || event.refType !== 'branch') return false;
  const head = await refHeadsIn(trx).find(repositoryId, event.ref);
  return head?.sha === event.after && (head.origin === 'synthetic' || origin === 'synthetic');
}

/** Remembers where the branch is, for the day on which nobody tells. */
export async function noteHead(
  trx: Transaction,
  { origin, receivedAt }: PendingDelivery,
  event: PushEvent | PullRequestEvent,
  repositoryId: string,
): Promise<void> {
  if (event.kind !== 'push' || event.refType !== 'branch') return;
  const heads = refHeadsIn(trx);
  if (event.deleted) await heads.remove(repositoryId, event.ref);
  else await heads.note(repositoryId, { ref: event.ref, sha: event.after, origin }, event.pushedAt ?? receivedAt);
}
