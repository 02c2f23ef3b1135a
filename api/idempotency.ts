import { createHash } from 'node:crypto';
import type { Transaction } from '../db/connection.ts';
import { idempotencyKeysIn } from '../db/idempotency-keys.ts';
import { Problem } from './problems.ts';

export type Answer = { status: number; headers: Record<string, string>; body: string | null };

type Keyed = { callerId: string; key: string; method: string; path: string; body: unknown; secret: boolean };

/** Carries the work out once for each key of a caller; a repetition gets the first answer. All in one transaction. */
export async function onlyOnce(trx: Transaction, keyed: Keyed, work: () => Promise<Answer>): Promise<Answer> {
  const { callerId, key, method, path, body, secret } = keyed;
  if (!/^[\x21-\x7e]{1,255}$/.test(key)) {
    throw new Problem('invalid_request', 'An Idempotency-Key has 1 to 255 visible ASCII characters.');
  }
  const fingerprint = createHash('sha256')
    .update(JSON.stringify([method, path, body ?? null]))
    .digest('hex');
  const keys = idempotencyKeysIn(trx, callerId);
  const stored = await keys.claim(key, fingerprint);
  if (stored) {
    if (stored.fingerprint !== fingerprint) {
      throw new Problem('idempotency_key_reused', 'Take a new key for a new request.');
    }
    return { ...stored, headers: { ...stored.headers, 'idempotency-replayed': 'true' } };
  }
  const answer = await work();
  await keys.store(key, secret ? { ...answer, body: withoutSecret(answer.body) } : answer);
  return answer;
}

/** What a repetition may know of an answer that held a secret: everything but that. */
function withoutSecret(body: string | null): string {
  const { token: _, ...rest } = JSON.parse(body ?? '{}');
  return JSON.stringify({ ...rest, code: 'secret_not_repeated' });
}
