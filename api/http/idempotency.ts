import { createHash } from 'node:crypto';
import { idempotencyKeysIn, type StoredAnswer } from '../../db/ops/idempotency-keys.ts';
import type { Db, Transaction } from '../../db/store/connection.ts';
import { Problem } from './problems.ts';

export type Answer = { status: number; headers: Record<string, string>; body: string | null };

type Keyed = { callerId: string; key: string; fingerprint: string };

/** Returns the key and the fingerprint under which the caller's request is stored. */
export function keyOf(request: { callerId: string; key: string; method: string; path: string; body: unknown }): Keyed {
  const { callerId, key, method, path, body } = request;
  if (!/^[\x21-\x7e]{1,255}$/.test(key)) {
    throw new Problem('invalid_request', 'Send an `Idempotency-Key` of 1 to 255 visible ASCII characters.');
  }
  const said = JSON.stringify([method, path, body ?? null]);
  return { callerId, key, fingerprint: createHash('sha256').update(said).digest('hex') };
}

/** Returns the first response if this request was already carried out. */
export async function answered(db: Db, { callerId, key, fingerprint }: Keyed): Promise<Answer | undefined> {
  const stored = await idempotencyKeysIn(db, callerId).find(key);
  return stored && repeated(stored, fingerprint);
}

/** Does the work once for each key of a caller, all in one transaction. A repeated request gets the first response. */
export async function onlyOnce(
  trx: Transaction,
  { callerId, key, fingerprint }: Keyed,
  secret: string[],
  work: () => Promise<Answer>,
): Promise<Answer> {
  const keys = idempotencyKeysIn(trx, callerId);
  const stored = await keys.claim(key, fingerprint);
  if (stored) return repeated(stored, fingerprint);
  const answer = await work();
  await keys.store(key, secret.length > 0 ? { ...answer, body: without(secret, answer.body) } : answer);
  return answer;
}

function repeated(stored: StoredAnswer, fingerprint: string): Answer {
  if (stored.fingerprint !== fingerprint) {
    throw new Problem('idempotency_key_reused', 'Use a new key for a different request.');
  }
  const { status, headers, body } = stored;
  return { status, body, headers: { ...headers, 'idempotency-replayed': 'true' } };
}

/** Returns the body without its secrets, for repeated requests. */
function without(secret: string[], body: string | null): string {
  const members = Object.entries(JSON.parse(body ?? '{}')).filter(([name]) => !secret.includes(name));
  return JSON.stringify({ ...Object.fromEntries(members), code: 'secret_not_repeated' });
}
