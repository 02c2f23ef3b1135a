import { Overasked } from './provider-failure.ts';

type Lane = { busy: number; waiting: (() => void)[] };

/**
 * Runs at most `most` tasks of one owner at a time. Other tasks wait in a queue; tasks beyond the queue's length are
 * rejected.
 */
type Lanes = <Result>(owner: string, work: () => Promise<Result>) => Promise<Result>;

/** For reads that a person's request triggers, from hosts that may be slow or send large answers. */
export function createLanes({ most = 8, mostWaiting = 100 } = {}): Lanes {
  const lanes = new Map<string, Lane>();

  function leave(owner: string, lane: Lane): void {
    const next = lane.waiting.shift();
    // The next task in the queue takes over the place.
    if (next) {
      next();
      return;
    }
    lane.busy -= 1;
    if (lane.busy === 0) lanes.delete(owner);
  }

  return async (owner, work) => {
    const lane = lanes.get(owner) ?? { busy: 0, waiting: [] };
    lanes.set(owner, lane);
    if (lane.busy < most) lane.busy += 1;
    else if (lane.waiting.length < mostWaiting) await new Promise<void>((resolve) => lane.waiting.push(resolve));
    else throw new Overasked('Too much is being read for your organization at once', 1_000);
    try {
      return await work();
    } finally {
      leave(owner, lane);
    }
  };
}
