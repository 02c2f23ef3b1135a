import { expect, test } from 'vitest';
import { createWriterTurns } from '../../../db/store/writer-turns.ts';

/** Takes turns for the given names. A name in capitals is one that a client waits for. Returns the order. */
async function orderOf(names: string[], failing = ''): Promise<string> {
  const turns = createWriterTurns();
  const order: string[] = [];
  const work = async (name: string) => {
    order.push(name);
    await new Promise(setImmediate);
    if (name === failing) throw new Error('It failed');
  };
  const all = names.map((name) => turns.take(name === name.toUpperCase(), () => work(name)));
  await Promise.allSettled(all);
  return order.join('');
}

test.each([
  ['each kind keeps its order', ['a', 'b', 'c'], 'abc'],
  ['a client goes before others that wait', ['a', 'b', 'c', 'X'], 'aXbc'],
  ['clients and others alternate', ['a', 'b', 'c', 'X', 'Y', 'Z'], 'aXbYcZ'],
  ['others do not wait for a second client', ['X', 'Y', 'Z', 'a', 'b'], 'XaYbZ'],
] as const)('%s', async (_, names, order) => {
  expect(await orderOf([...names])).toBe(order);
});

test('the next one gets its turn after a failure', async () => {
  expect(await orderOf(['a', 'b', 'X'], 'X')).toBe('aXb');
});

test('never runs two at once, and returns what each returns', async () => {
  const turns = createWriterTurns();
  let running = 0;
  const results = await Promise.all(
    Array.from({ length: 100 }, (_, index) =>
      turns.take(index % 3 === 0, async () => {
        running += 1;
        await new Promise(setImmediate);
        expect(running).toBe(1);
        running -= 1;
        return index;
      }),
    ),
  );
  expect(results).toEqual(Array.from({ length: 100 }, (_, index) => index));
});

test('rejects those that wait when it is closed', async () => {
  const turns = createWriterTurns();
  const running = turns.take(false, () => new Promise((resolve) => setTimeout(resolve, 20, 'done')));
  const waiting = [turns.take(false, async () => 'late'), turns.take(true, async () => 'late')];
  turns.close();
  const results = await Promise.allSettled([running, ...waiting]);
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
});
