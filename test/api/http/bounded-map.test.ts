import { expect, test } from 'vitest';
import { BoundedMap } from '../../../api/http/bounded-map.ts';

test('drops the key that was set the longest ago', () => {
  const map = new BoundedMap<number>(2);
  map.set('a', 1);
  map.set('b', 2);
  map.set('a', 3);
  map.set('c', 4);
  expect([map.get('a'), map.get('b'), map.get('c')]).toEqual([3, undefined, 4]);
  expect(map.size).toBe(2);
});

test('makes room for another key when one is deleted', () => {
  const map = new BoundedMap<number>(2);
  for (const key of ['a', 'b']) map.set(key, 1);
  map.delete('b');
  map.set('c', 1);
  expect([map.has('a'), map.has('b'), map.has('c'), map.size]).toEqual([true, false, true, 2]);
});

test('drops a key that is the empty string', () => {
  const map = new BoundedMap<number>(1);
  map.set('', 1);
  map.set('b', 2);
  expect([map.has(''), map.has('b')]).toEqual([false, true]);
});
