import type { Waiter } from '../deliveries/decide-pipelines.ts';

/** A delivery whose time has passed by this much is no longer pending here. */
const lostAfterMs = 30_000;

type Seat = Waiter & { lookAgainAt: number };

export type WaitingRoom = ReturnType<typeof createWaitingRoom>;

/**
 * Holds the deliveries that wait for a sync to find their subject. An installation has a limited number of seats. A
 * stranger can install a public GitHub App and push as often as they like. Their deliveries therefore make room for
 * those of a bound installation.
 */
export function createWaitingRoom({ most = 500, mostOfInstallation = 100 } = {}) {
  const seats = new Map<string, Seat>();
  const byInstallation = new Map<string, Set<string>>();
  /** The deliveries that had to leave. The relay decides them with what it knows now. */
  const evicted = new Set<string>();

  function leave(id: string): void {
    const seat = seats.get(id);
    evicted.delete(id);
    if (!seat) return;
    seats.delete(id);
    const theirs = byInstallation.get(seat.installation);
    theirs?.delete(id);
    if (theirs?.size === 0) byInstallation.delete(seat.installation);
  }

  /** Returns the latest delivery of the installation with the most seats, among unbound ones if there are any. */
  function findLeast(): string | undefined {
    let largest: { ids: Set<string>; isBound: boolean } | undefined;
    for (const ids of byInstallation.values()) {
      const [first = ''] = ids;
      const { isBound = true } = seats.get(first) ?? {};
      const counts = largest === undefined || (isBound === largest.isBound ? ids.size > largest.ids.size : !isBound);
      if (counts) largest = { ids, isBound };
    }
    return largest && [...largest.ids].at(-1);
  }

  function makeRoom({ installation, isBound }: Waiter): boolean {
    if (seats.size < most) return true;
    const least = findLeast() ?? '';
    const seat = seats.get(least);
    if (!seat) return false;
    const own = byInstallation.get(installation)?.size ?? 0;
    const theirs = byInstallation.get(seat.installation)?.size ?? 0;
    const isBetter = isBound === seat.isBound ? own + 1 < theirs : isBound;
    if (!isBetter) return false;
    leave(least);
    evicted.add(least);
    return true;
  }

  return {
    /** Takes a seat until `lookAgainAt`. Returns false if there is none, or if the delivery had to leave its seat. */
    enter(id: string, waiter: Waiter, lookAgainAt: number): boolean {
      if (evicted.has(id)) return false;
      const known = seats.get(id);
      if (known) {
        known.lookAgainAt = lookAgainAt;
        return true;
      }
      const theirs = byInstallation.get(waiter.installation) ?? new Set();
      if (theirs.size >= mostOfInstallation || !makeRoom(waiter)) return false;
      seats.set(id, { ...waiter, lookAgainAt });
      byInstallation.set(waiter.installation, theirs.add(id));
      return true;
    },

    leave,

    /** Returns whether the delivery has a seat, and its time has not come yet. */
    holds(id: string, now: number): boolean {
      return (seats.get(id)?.lookAgainAt ?? 0) > now;
    },

    /** Frees the seats of deliveries that another relay has decided. */
    prune(now: number): void {
      for (const [id, { lookAgainAt }] of seats) if (lookAgainAt < now - lostAfterMs) leave(id);
      if (evicted.size > most) evicted.clear();
    },
  };
}
