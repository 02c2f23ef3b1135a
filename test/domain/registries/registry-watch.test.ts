import { describe, expect, test } from 'vitest';
import { believed, type RegistryVerdict } from '../../../domain/registries/registry-verdicts.ts';
import { afterRefusal, afterSilence, nextCheckAt, outageSubject } from '../../../domain/registries/registry-watch.ts';

const minute = 60_000;
const hour = 60 * minute;
const now = Date.UTC(2026, 10, 21);
const almostOne = 1 - Number.EPSILON;

describe('the next check', () => {
  test('is five to seven hours away, at a random time', () => {
    expect(nextCheckAt(now, 0) - now).toBe(5 * hour);
    expect(nextCheckAt(now, 0.5) - now).toBe(6 * hour);
    expect(nextCheckAt(now, almostOne) - now).toBeLessThanOrEqual(7 * hour);
    // Thousands that are connected at the same time are spread over all quarters of an hour.
    const quarters = new Map<number, number>();
    for (let at = 0; at < 8_000; at += 1) {
      const quarter = Math.floor((nextCheckAt(now, Math.random()) - now) / (15 * minute));
      quarters.set(quarter, (quarters.get(quarter) ?? 0) + 1);
    }
    expect([...quarters.keys()].sort((one, other) => one - other)).toEqual([20, 21, 22, 23, 24, 25, 26, 27]);
    for (const share of quarters.values()) expect(share).toBeGreaterThan(800);
  });

  test('comes after 10, 20, 40 minutes and at most six hours without a response, or a little sooner', () => {
    const pauses = [1, 2, 3, 4, 5, 6, 7, 1000].map((silences) => (afterSilence(now, silences, 0) - now) / minute);
    expect(pauses).toEqual([10, 20, 40, 80, 160, 320, 360, 360]);
    expect(afterSilence(now, 1, almostOne) - now).toBeGreaterThanOrEqual(9 * minute);
  });

  test('comes after 2 and 10 minutes while refusals are too few to act on', () => {
    expect([1, 2].map((refusals) => (afterRefusal(now, refusals) - now) / minute)).toEqual([2, 10]);
  });
});

describe('the result of a scheduled check', () => {
  const active: RegistryVerdict = { status: 'active', reason: null };
  const refused: RegistryVerdict = { status: 'reauth_required', reason: 'credentials_rejected' };
  const odd: RegistryVerdict = { status: 'degraded', reason: 'not_a_registry' };
  const denied: RegistryVerdict = { status: 'degraded', reason: 'push_denied' };
  const pending: RegistryVerdict = { status: 'pending', reason: 'network' };

  test.each([
    ['a first refusal', active, refused, false, 0, active, 1],
    ['a second one', active, refused, false, 1, active, 2],
    ['a third one', active, refused, false, 2, refused, 0],
    ['a page of somebody else’s, once', active, odd, false, 0, active, 1],
    ['the same as before', odd, odd, false, 2, odd, 0],
    ['worse than before', odd, refused, false, 0, odd, 1],
    ['a right that is gone', active, denied, true, 0, denied, 0],
    ['better than before', refused, active, true, 0, active, 0],
    ['an acceptance after refusals', active, active, true, 2, active, 0],
    ['a refusal of what never worked', pending, refused, false, 0, refused, 0],
    ['a refusal that somebody has asked for', active, refused, false, undefined, refused, 0],
  ] as const)('%s', (_, current, found, isIn, before, verdict, refusals) => {
    expect(believed(current, found, { isIn, refusals: before })).toEqual({ verdict, refusals });
  });
});

test('an outage belongs to one organization and host', () => {
  expect(outageSubject('org_1', 'http://127.0.0.1:5000')).toBe('org_1/127.0.0.1:5000');
  expect(outageSubject('org_1', 'https://ghcr.io')).not.toBe(outageSubject('org_2', 'https://ghcr.io'));
});
