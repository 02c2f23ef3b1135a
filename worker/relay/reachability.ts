import type { TemporalStarter } from '../temporal-starter.ts';

/** What the relay believes of Temporal, so that it does not try every command against a server that is away. */
export type Reachability = {
  readonly isUp: boolean;
  /** Asks; many askers share one question. */
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
