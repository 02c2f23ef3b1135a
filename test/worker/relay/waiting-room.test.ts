import { expect, test } from 'vitest';
import { createWaitingRoom } from '../../../worker/relay/waiting-room.ts';

const bound = (name: string) => ({ installation: name, isBound: true });
const unbound = (name: string) => ({ installation: name, isBound: false });
const later = 2_000;

function roomOf(limits = { most: 6, mostOfInstallation: 4 }) {
  const room = createWaitingRoom(limits);
  let last = 0;
  const enter = (waiter: ReturnType<typeof bound>) => {
    const id = `dlv_${++last}`;
    return { id, entered: room.enter(id, waiter, later) };
  };
  const held = (ids: { id: string }[]) => ids.filter(({ id }) => room.holds(id, 0)).length;
  return { room, enter, held };
}

test('gives one installation only its share of the seats', () => {
  const { enter } = roomOf();
  const results = Array.from({ length: 6 }, () => enter(bound('one')).entered);
  expect(results).toEqual([true, true, true, true, false, false]);
  expect(enter(bound('two')).entered).toBe(true);
});

test('gives a bound installation the seat of an unbound one, which does not get it back', () => {
  const { room, enter, held } = roomOf();
  const strangers = [1, 2, 3, 4, 5, 6].map((n) => enter(unbound(n < 5 ? 'stranger' : 'other')));
  const mine = [enter(bound('mine')), enter(bound('mine'))];
  expect(held(mine)).toBe(2);
  // The latest deliveries of the largest installation had to leave.
  expect(strangers.map(({ id }) => room.holds(id, 0))).toEqual([true, true, false, false, true, true]);
  expect(room.enter(strangers[3]?.id ?? '', unbound('stranger'), later)).toBe(false);
  expect(enter(unbound('other')).entered).toBe(false);
});

test('never lets an unbound installation take the seat of a bound one', () => {
  const { enter, held } = roomOf();
  const mine = [1, 2, 3, 4, 5, 6].map((n) => enter(bound(n < 4 ? 'one' : 'two')));
  expect(enter(unbound('stranger')).entered).toBe(false);
  expect(held(mine)).toBe(6);
});

test('takes a seat from the bound installation that has the most', () => {
  const { enter, held } = roomOf();
  const many = [1, 2, 3, 4].map(() => enter(bound('many')));
  const few = [1, 2].map(() => enter(bound('few')));
  const fresh = enter(bound('new'));
  expect({ many: held(many), few: held(few), fresh: held([fresh]) }).toEqual({ many: 3, few: 2, fresh: 1 });
  // No installation loses a seat to one with as many seats.
  expect(enter(bound('few')).entered).toBe(false);
});

test('frees a seat after the decision, and keeps the seat of a delivery that waits again', () => {
  const { room, enter } = roomOf({ most: 1, mostOfInstallation: 1 });
  const { id } = enter(bound('one'));
  expect(room.holds(id, later)).toBe(false);
  expect(room.enter(id, bound('one'), later * 2)).toBe(true);
  expect(room.holds(id, later)).toBe(true);
  room.leave(id);
  expect(enter(bound('two')).entered).toBe(true);
});

test('frees the seat of a delivery that another relay has decided', () => {
  const { room, enter } = roomOf({ most: 1, mostOfInstallation: 1 });
  enter(bound('one'));
  room.prune(later + 20_000);
  expect(enter(bound('one')).entered).toBe(false);
  room.prune(later + 31_000);
  expect(enter(bound('one')).entered).toBe(true);
});
