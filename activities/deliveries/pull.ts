import type { GitHubBroker } from '../../broker/github/github.ts';
import { type NewDelivery, storeDeliveries } from '../../db/deliveries/store-deliveries.ts';
import type { Database } from '../../db/store/connection.ts';
import { contentKeyOf, signatureDigest } from '../../domain/deliveries/delivery-content.ts';
import type { Missed } from '../../domain/deliveries/delivery-log.ts';
import { ProviderError } from '../../providers/failure.ts';

export type AsApp = Awaited<ReturnType<GitHubBroker['asApp']>>;

const atOnce = 5;
/** A commit blocks all other writers, and its contents are in memory. A larger delivery has a commit of its own. */
const perCommit = { deliveries: 25, bytes: 8 * 1024 * 1024 };
/** After so many failures the cause is not a single delivery. */
const mostTroubles = 5;

/** The headers that the row of a webhook also keeps. The signature is not one of them. */
const keptHeaders = [
  'x-github-hook-id',
  'x-github-hook-installation-target-type',
  'x-github-hook-installation-target-id',
];

/**
 * Reads deliveries from the log and stores them, oldest first. Several are read at once, large ones singly, and each
 * commit keeps what was read. A delivery that cannot be read does not hold up the others, but its error is thrown at
 * the end. Returns how many deliveries were tried before the time was over.
 */
export async function pull(
  database: Database,
  github: AsApp,
  githubAppId: string,
  missed: Missed[],
  isOver: () => boolean,
): Promise<number> {
  const troubles: unknown[] = [];
  const isEnough = () => troubles.length >= mostTroubles || troubles.some(isLimit);
  let found: NewDelivery[] = [];
  let largest = 0;
  const fits = (bytes: number) => bytesOf(found) + bytes <= perCommit.bytes && found.length < perCommit.deliveries;
  const commit = async () => {
    const some = found;
    found = [];
    if (some.length > 0) await database.write((trx) => storeDeliveries(trx, some));
  };

  let at = 0;
  while (at < missed.length && !isEnough() && (at === 0 || !isOver())) {
    // The size of a delivery is unknown before it is read, so the sizes of earlier ones are the estimate.
    if (!fits(largest)) await commit();
    const room = Math.floor((perCommit.bytes - bytesOf(found)) / Math.max(1, largest));
    const few = missed.slice(at, at + Math.max(1, Math.min(atOnce, room)));
    at += few.length;
    const read = await Promise.allSettled(few.map((one) => readOne(github, githubAppId, one)));
    largest = 0;
    for (const one of read) {
      if (one.status === 'rejected') troubles.push(one.reason);
      if (one.status === 'rejected' || !one.value) continue;
      largest = Math.max(largest, one.value.body.length);
      if (!fits(one.value.body.length)) await commit();
      found.push(one.value);
    }
  }
  await commit();
  // A rate limit says how long to wait.
  if (troubles.length > 0) throw troubles.find(isLimit) ?? troubles[0];
  return at;
}

function bytesOf(deliveries: NewDelivery[]): number {
  return deliveries.reduce((sum, { body }) => sum + body.length, 0);
}

/** Returns nothing if the log has deleted it. */
async function readOne(github: AsApp, githubAppId: string, missed: Missed): Promise<NewDelivery | undefined> {
  const { guid, event, attemptId } = missed;
  try {
    const logged = await github.getHookDelivery(attemptId);
    const headers = keptHeaders.map((name) => [name, logged.headers[name]?.slice(0, 200)]);
    return {
      githubAppId,
      providerDeliveryId: logged.guid,
      event: logged.event,
      // The log does not have the signed bytes, but it has their signature.
      contentKey: contentKeyOf(logged.event, signatureDigest(logged.headers['x-hub-signature-256'])),
      headers: Object.fromEntries(headers.filter(([, value]) => value !== undefined)),
      body: Buffer.from(JSON.stringify(logged.payload)),
      origin: 'pulled',
    };
  } catch (error) {
    if (!(error instanceof ProviderError)) throw error;
    if (error.status === 404) return undefined;
    // The response has no status if it was longer than anything that GitHub sends.
    if (error.code !== 'unexpected' || (error.status !== 200 && error.status !== undefined)) throw error;
    // This will never succeed, so the delivery is stored as unreadable.
    const empty = { contentKey: null, headers: {}, body: Buffer.alloc(0) };
    return { githubAppId, providerDeliveryId: guid, event, ...empty, origin: 'pulled' };
  }
}

function isLimit(error: unknown): boolean {
  return error instanceof ProviderError && ['rate_limited', 'secondary_limited'].includes(error.code);
}
