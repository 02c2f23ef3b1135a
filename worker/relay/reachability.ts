import type { TemporalStarter } from '../temporal-starter.ts';

/** Tracks whether Temporal is reachable, so that the relay does not try every command during an outage. */
export type Reachability = {
  readonly isUp: boolean;
  /** Checks Temporal. Parallel callers share one check. */
  check(): Promise<boolean>;
  markAway(): void;
};

export function createReachability(temporal: Pick<TemporalStarter, 'isReachable'>): Reachability {
  let isUp = true;
  let asking: Promise<boolean> | undefined;
  return {
    get isUp() {
      return isUp;
    },
    async check() {
      asking ??= temporal.isReachable().finally(() => {
        asking = undefined;
      });
      isUp = await asking;
      return isUp;
    },
    markAway() {
      isUp = false;
    },
  };
}
