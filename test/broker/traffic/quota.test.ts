import { expect, test } from 'vitest';
import { createQuota } from '../../../broker/traffic/quota.ts';

const hostNow = Date.parse('2026-11-01T12:00:00Z');
const read = { urgent: false, effect: 'read' } as const;
const forPerson = { urgent: true, effect: 'read' } as const;
const write = { urgent: false, effect: 'content' } as const;
const control = { urgent: false, effect: 'control' } as const;

function quota() {
  const clock = { ms: 1_000 };
  return { clock, quota: createQuota(() => clock.ms) };
}

/** The headers of an answer. The hour ends in `seconds`. */
function figures(remaining: number, { limit = 5000, seconds = 600, resource = 'core' } = {}) {
  return new Headers({
    'x-ratelimit-limit': String(limit),
    'x-ratelimit-remaining': String(remaining),
    'x-ratelimit-reset': String(hostNow / 1000 + seconds),
    'x-ratelimit-resource': resource,
  });
}

test('lets an unknown account send', () => {
  expect(quota().quota.admit('installation:1', write)).toEqual({ restMs: 0 });
});

test('sends nothing after the limit is used up until the hour ends', () => {
  const { quota: one, clock } = quota();
  one.learn('installation:1', figures(0), hostNow);
  const limit = { code: 'rate_limited', retryAfterMs: 600_000 };
  expect(one.admit('installation:1', read)).toEqual({ limit });
  expect(one.admit('installation:1', forPerson)).toEqual({ limit });
  clock.ms += 599_999;
  expect(one.admit('installation:1', read)).toEqual({ limit: { ...limit, retryAfterMs: 1 } });
  clock.ms += 1;
  expect(one.admit('installation:1', read)).toEqual({ restMs: 0 });
});

test('counts each account separately', () => {
  const { quota: one } = quota();
  one.learn('installation:1', figures(0), hostNow);
  one.learn('installation:2', figures(4000), hostNow);
  expect(one.admit('installation:2', read)).toEqual({ restMs: 0 });
  expect(one.admit('app:1', read)).toEqual({ restMs: 0 });
});

test('reserves the last tenth for waiting people', () => {
  const { quota: one } = quota();
  one.learn('installation:1', figures(501), hostNow);
  expect(one.admit('installation:1', read)).toEqual({ restMs: 0 });
  expect(one.admit('installation:1', read)).toMatchObject({ limit: { code: 'rate_limited' } });
  expect(one.admit('installation:1', forPerson)).toEqual({ restMs: 0 });
});

test('counts requests in flight before their answers arrive', () => {
  const { quota: one } = quota();
  one.learn('installation:1', figures(3, { limit: 10 }), hostNow);
  expect(one.admit('installation:1', read)).toEqual({ restMs: 0 });
  expect(one.admit('installation:1', read)).toEqual({ restMs: 0 });
  // One is left, and that is the reserve.
  expect(one.admit('installation:1', read)).toMatchObject({ limit: { code: 'rate_limited' } });
  // An older answer that arrives late does not raise the remainder.
  one.learn('installation:1', figures(9, { limit: 10 }), hostNow);
  expect(one.admit('installation:1', read)).toMatchObject({ limit: { code: 'rate_limited' } });
});

test('keeps the pause that GitHub asks for, and a shorter one does not shorten it', () => {
  const { quota: one, clock } = quota();
  const pause = (retryAfterMs: number) =>
    one.learn('installation:1', new Headers(), hostNow, { code: 'secondary_limited', retryAfterMs });
  pause(60_000);
  pause(1_000);
  clock.ms += 10_000;
  const limit = { code: 'secondary_limited', retryAfterMs: 50_000 };
  expect(one.admit('installation:1', forPerson)).toEqual({ limit });
  clock.ms += 50_000;
  expect(one.admit('installation:1', read)).toEqual({ restMs: 0 });
});

test('believes no host that asks for a pause of more than an hour', () => {
  const { quota: one, clock } = quota();
  one.learn('installation:1', figures(0, { seconds: 90_000 }), hostNow, {
    code: 'secondary_limited',
    retryAfterMs: 1e12,
  });
  clock.ms += 3_660_000;
  expect(one.admit('installation:1', read)).toEqual({ restMs: 0 });
});

test('ignores an hour that has ended, is too long, or has more left than its limit', () => {
  const { quota: one, clock } = quota();
  one.learn('installation:1', figures(0), hostNow);
  one.learn('installation:1', figures(4999, { seconds: -10 }), hostNow);
  one.learn('installation:1', figures(4999, { seconds: 3_700 }), hostNow);
  one.learn('installation:1', figures(5001, { seconds: 3_000 }), hostNow);
  expect(one.admit('installation:1', read)).toMatchObject({ limit: { retryAfterMs: 600_000 } });
  one.learn('installation:2', figures(0, { seconds: 3_700 }), hostNow);
  expect(one.admit('installation:2', read)).toEqual({ restMs: 0 });
  clock.ms += 600_000;
  expect(one.admit('installation:1', read)).toEqual({ restMs: 0 });
});

test('ignores what an earlier request says about another hour', () => {
  const { quota: one } = quota();
  one.learn('installation:1', figures(5000, { seconds: 3_600 }), hostNow, undefined, 2_000);
  one.learn('installation:1', figures(0, { seconds: 5 }), hostNow, undefined, 1_000);
  expect(one.admit('installation:1', read)).toEqual({ restMs: 0 });
  one.learn('installation:1', figures(0, { seconds: 1_800 }), hostNow, undefined, 3_000);
  expect(one.admit('installation:1', read)).toMatchObject({ limit: { retryAfterMs: 1_800_000 } });
});

test('sends other requests when the hourly limit for searches is used up', () => {
  const { quota: one } = quota();
  const limit = { code: 'rate_limited', retryAfterMs: 60_000 } as const;
  one.learn('installation:1', figures(0, { limit: 10, resource: 'search' }), hostNow, limit);
  expect(one.admit('installation:1', read)).toEqual({ restMs: 0 });
  one.learn('installation:1', figures(0), hostNow, limit);
  expect(one.admit('installation:1', read)).toMatchObject({ limit });
});

test('ignores other limits and invalid numbers', () => {
  const { quota: one } = quota();
  one.learn('installation:1', figures(0, { resource: 'search' }), hostNow);
  one.learn('installation:1', new Headers({ 'x-ratelimit-remaining': '0' }), hostNow);
  for (const name of ['x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset']) {
    for (const value of ['-1', 'NaN', '1e3', '']) {
      const headers = figures(0);
      headers.set(name, value);
      one.learn('installation:1', headers, hostNow);
    }
  }
  expect(one.admit('installation:1', read)).toEqual({ restMs: 0 });
});

test.each([
  ['visible writes', write, 80, 115],
  ['other writes', control, 180, 350],
  ['reads', read, 900, 1_750],
] as const)(
  '%s: never sends more in any minute than GitHub accepts, and resumes soon',
  (_, request, most, inThreeMinutes) => {
    const { quota: one, clock } = quota();
    one.learn('installation:1', figures(4999), hostNow);
    const sentAt: number[] = [];
    const refused: number[] = [];
    for (const start = clock.ms; clock.ms < start + 180_000; clock.ms += 50) {
      const verdict = one.admit('installation:1', request);
      if ('restMs' in verdict) sentAt.push(clock.ms + verdict.restMs);
      else refused.push(verdict.limit.retryAfterMs);
    }
    const inMinuteFrom = (at: number) => sentAt.filter((one) => one >= at && one < at + 60_000).length;
    const busiest = Math.max(...sentAt.map(inMinuteFrom));
    expect(busiest).toBeLessThanOrEqual(most);
    expect(busiest).toBeGreaterThan(most * 0.95);
    expect(sentAt.length).toBeGreaterThan(inThreeMinutes);
    expect(Math.min(...refused)).toBeGreaterThan(0);
  },
);

test.each([
  ['visible writes', write, 150],
  ['other writes', control, 900],
  ['reads', read, 4_000],
] as const)('sends each waiting request on its second attempt at most: %s', (_, request, count) => {
  const { quota: limits, clock } = quota();
  limits.learn('installation:1', figures(4999), hostNow);
  const waiting = Array.from({ length: count }, () => ({ at: clock.ms, attempts: 0 }));
  let most = 0;
  for (let one = waiting.shift(); one; one = waiting.shift()) {
    clock.ms = Math.max(clock.ms, one.at);
    const verdict = limits.admit('installation:1', request);
    if ('limit' in verdict) waiting.push({ at: clock.ms + verdict.limit.retryAfterMs, attempts: one.attempts + 1 });
    most = Math.max(most, one.attempts + 1);
    waiting.sort((left, right) => left.at - right.at);
  }
  expect(most).toBe(2);
});

test('retries every request within ten minutes, and uses the full budget of a long queue', () => {
  const { quota: one, clock } = quota();
  one.learn('installation:1', figures(4999), hostNow);
  const waiting = Array.from({ length: 1_000 }, () => clock.ms);
  let sent = 0;
  let longest = 0;
  for (const end = clock.ms + 3_600_000; (waiting[0] ?? end) < end; waiting.sort((left, right) => left - right)) {
    clock.ms = Math.max(clock.ms, waiting.shift() ?? 0);
    const verdict = one.admit('installation:1', write);
    if ('restMs' in verdict) sent += 1;
    else waiting.push(clock.ms + verdict.limit.retryAfterMs);
    longest = Math.max(longest, 'limit' in verdict ? verdict.limit.retryAfterMs : 0);
  }
  expect(longest).toBe(600_000);
  expect(sent).toBeLessThanOrEqual(500);
  expect(sent).toBeGreaterThan(490);
});

test('sends 300 dispatches before the reports that began at the same time, at the pace of the budget', () => {
  const { quota: limits, clock } = quota();
  limits.learn('installation:1', figures(4999), hostNow);
  const begin = clock.ms;
  const waiting = Array.from({ length: 600 }, (_, index) => ({
    at: begin,
    request: index % 2 === 0 ? control : write,
    attempts: 0,
  }));
  const sent: { at: number; effect: string; attempts: number }[] = [];
  for (let one = waiting.shift(); one && sent.length < 480; one = waiting.shift()) {
    clock.ms = Math.max(clock.ms, one.at);
    const attempts = one.attempts + 1;
    const verdict = limits.admit('installation:1', one.request);
    if ('limit' in verdict) waiting.push({ ...one, at: clock.ms + verdict.limit.retryAfterMs, attempts });
    else sent.push({ at: clock.ms + verdict.restMs - begin, effect: one.request.effect, attempts });
    waiting.sort((left, right) => left.at - right.at);
  }
  const dispatches = sent.filter(({ effect }) => effect === 'control');
  expect(dispatches).toHaveLength(300);
  expect(Math.max(...dispatches.map(({ attempts }) => attempts))).toBeLessThanOrEqual(2);
  // 1,500 points for the dispatches and a few for the first reports: 450 at once, then 7.5 a second.
  const lastDispatch = Math.max(...dispatches.map(({ at }) => at));
  expect(lastDispatch).toBeGreaterThan(140_000);
  expect(lastDispatch).toBeLessThan(175_000);
  const early = sent.filter(({ effect, at }) => effect === 'content' && at < lastDispatch);
  expect(early.length).toBeLessThan(45);
});

test('sends a dispatch before waiting reports, and a person’s request before both', () => {
  const { quota: one } = quota();
  one.learn('installation:1', figures(4999), hostNow);
  const pauseOf = (request: Parameters<typeof one.admit>[1]) => {
    const verdict = one.admit('installation:1', request);
    return 'limit' in verdict ? verdict.limit.retryAfterMs : 0;
  };
  for (let count = 0; count < 100; count += 1) pauseOf(write);
  expect(pauseOf(write)).toBeGreaterThan(60_000);
  let dispatch = 0;
  while (dispatch === 0) dispatch = pauseOf(control);
  expect(dispatch).toBeLessThan(1_000);
  for (let count = 0; count < 100; count += 1) pauseOf(control);
  expect(pauseOf(control)).toBeGreaterThan(60_000);
  while (pauseOf(read) === 0);
  expect(pauseOf(forPerson)).toBeLessThan(1_000);
});

test('dispatches a build even if its reports have to wait', () => {
  const { quota: one } = quota();
  one.learn('installation:1', figures(4999), hostNow);
  for (let count = 0; count < 41; count += 1) one.admit('installation:1', write);
  expect(one.admit('installation:1', write)).toMatchObject({ limit: { code: 'secondary_limited' } });
  expect(one.admit('installation:1', control)).toEqual({ restMs: 0 });
});

test('does not hold back writes to a host without limits', () => {
  const { quota: one } = quota();
  for (let count = 0; count < 500; count += 1) expect(one.admit('installation:1', write)).toEqual({ restMs: 0 });
});

test('forgets the accounts that were used longest ago first', () => {
  const clock = { ms: 0 };
  const one = createQuota(() => clock.ms, 2);
  for (const name of ['a', 'b', 'c']) one.learn(name, figures(0), hostNow);
  expect(one.admit('c', read)).toHaveProperty('limit');
  expect(one.admit('a', read)).toEqual({ restMs: 0 });
});
