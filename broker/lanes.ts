import { Overasked } from './provider-failure.ts';

type Lane = { busy: number; waiting: (() => void)[] };

/** Runs what is of one owner `most` at a time; the others wait in line, and those beyond the line are refused. */
type Lanes = <Result>(owner: string, work: () => Promise<Result>) => Promise<Result>;

/** For what a person's request has us read at once, from hosts that may be slow, or send as much as they may. */
export function createLanes({ most = 8, mostWaiting = 100 } = {}): Lanes {
  const lanes = new Map<string, Lane>();

  function leave(owner: string, lane: Lane): void {
    const next = lane.waiting.shift();
    // Whoever is next takes over the place.
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
