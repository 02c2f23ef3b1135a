import { expect, test } from 'vitest';
import { createBreaker } from '../../../broker/traffic/breaker.ts';

function breaker() {
  const clock = { ms: 0 };
  const one = createBreaker(() => clock.ms);
  const fail = (times: number) => {
    for (let count = 0; count < times; count += 1) one.failed();
  };
  return { clock, one, fail };
}

test('tolerates some failures, but not five in a row', () => {
  const { one, fail } = breaker();
  fail(4);
  expect(one.admit()).toBeUndefined();
  one.succeeded();
  fail(4);
  expect(one.admit()).toBeUndefined();
  fail(1);
  expect(one.admit()).toBe(5_000);
  expect(one.isOpen()).toBe(true);
});

test('sends one probe after the pause, and the other requests wait for its result', () => {
  const { clock, one, fail } = breaker();
  fail(5);
  clock.ms += 5_000;
  expect(one.admit()).toBeUndefined();
  expect(one.admit()).toBe(5_000);
  one.succeeded();
  expect(one.admit()).toBeUndefined();
  expect(one.admit()).toBeUndefined();
  expect(one.isOpen()).toBe(false);
});

test('doubles the pause after a failed probe, up to 15 s', () => {
  const { clock, one, fail } = breaker();
  fail(5);
  const pauses = [10_000, 15_000, 15_000].map(() => {
    clock.ms += 20_000;
    expect(one.admit()).toBeUndefined();
    one.failed();
    return one.admit();
  });
  expect(pauses).toEqual([10_000, 15_000, 15_000]);
});

test('ignores results of requests that were in flight when it opened', () => {
  const { clock, one, fail } = breaker();
  fail(5);
  clock.ms += 3_000;
  fail(20);
  expect(one.admit()).toBe(2_000);
});

test('does not block other requests forever for a probe without a result', () => {
  const { clock, one, fail } = breaker();
  fail(5);
  clock.ms += 5_000;
  expect(one.admit()).toBeUndefined();
  clock.ms += 40_000;
  expect(one.admit()).toBeUndefined();
});

test('lets the next request probe if the probe was held back', () => {
  const { clock, one, fail } = breaker();
  fail(5);
  clock.ms += 5_000;
  expect(one.admit()).toBeUndefined();
  one.forgetProbe();
  expect(one.admit()).toBeUndefined();
});

test('says how long nothing has succeeded', () => {
  const { clock, one, fail } = breaker();
  fail(1);
  clock.ms += 1_000;
  expect(one.downForMs()).toBe(0);
  fail(4);
  clock.ms += 9_000;
  expect(one.downForMs()).toBe(10_000);
  one.succeeded();
  expect(one.downForMs()).toBe(0);
});
