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

test('some failures are borne, five in a row are not', () => {
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

test('after the pause one request tries; the others wait for what becomes of it', () => {
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

test('a probe that fails makes the next pause longer, up to 15 s', () => {
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

test('what was under way when it opened makes no pause longer', () => {
  const { clock, one, fail } = breaker();
  fail(5);
  clock.ms += 3_000;
  fail(20);
  expect(one.admit()).toBe(2_000);
});

test('a probe of which nothing is heard holds up nobody for ever', () => {
  const { clock, one, fail } = breaker();
  fail(5);
  clock.ms += 5_000;
  expect(one.admit()).toBeUndefined();
  clock.ms += 40_000;
  expect(one.admit()).toBeUndefined();
});

test('a probe that was held back on this side leaves the next one to try', () => {
  const { clock, one, fail } = breaker();
  fail(5);
  clock.ms += 5_000;
  expect(one.admit()).toBeUndefined();
  one.forgetProbe();
  expect(one.admit()).toBeUndefined();
});

test('it tells for how long nothing has succeeded', () => {
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
