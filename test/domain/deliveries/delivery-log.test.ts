import { expect, test } from 'vitest';
import { isPastWindow, logWindowMs, missedIn } from '../../../domain/deliveries/delivery-log.ts';

const attempt = (id: number, guid: string, deliveredAt: number, redelivery = false) => ({
  id,
  guid,
  event: 'push',
  deliveredAt,
  redelivery,
});

test('returns missing deliveries by guid, oldest first, regardless of their attempts', () => {
  const attempts = [
    attempt(5, 'b', 50, true),
    attempt(4, 'c', 40),
    attempt(3, 'known', 30),
    attempt(2, 'b', 20),
    attempt(1, 'a', 10),
  ];
  expect(missedIn(attempts, (guid) => guid === 'known')).toEqual([
    { guid: 'a', event: 'push', attemptId: 1, deliveredAt: 10, sentAgain: false },
    { guid: 'b', event: 'push', attemptId: 5, deliveredAt: 20, sentAgain: true },
    { guid: 'c', event: 'push', attemptId: 4, deliveredAt: 40, sentAgain: false },
  ]);
  expect(missedIn(attempts, () => true)).toEqual([]);
});

test('the log goes back three days on github.com, and seven on an Enterprise Server', () => {
  const now = 1_000 * 86_400_000;
  const day = 86_400_000;
  expect(isPastWindow(now - 2.9 * day, false, now)).toBe(false);
  expect(isPastWindow(now - 3 * day, false, now)).toBe(true);
  expect(isPastWindow(now - 6.9 * day, true, now)).toBe(false);
  expect(isPastWindow(now - logWindowMs(true), true, now)).toBe(true);
});
