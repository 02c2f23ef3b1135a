import type { Logger } from '../../log.ts';

export type Loop = {
  /** Wakes the loop, because there can be work. */
  wake(): void;
  /** Stops after the current work. */
  stop(): Promise<void>;
};

const longestPauseMs = 30_000;

/**
 * Runs `work` when it is woken and at least every `everyMs`, and again at once while it returns that there is more.
 * After a failure it pauses, longer each time, and ignores wake-ups. `work` receives a function that says whether to
 * stop.
 */
export function startLoop({
  name,
  everyMs,
  work,
  logger,
}: {
  name: string;
  everyMs: number;
  work: (isStopping: () => boolean) => Promise<boolean>;
  logger: Logger;
}): Loop {
  let stopped = false;
  let woken = false;
  let rouse = () => {};

  async function run(): Promise<void> {
    let failures = 0;
    while (!stopped) {
      woken = false;
      let more = false;
      try {
        more = await work(() => stopped);
        failures = 0;
      } catch (err) {
        failures += 1;
        logger.warn({ err, loop: name }, 'the relay was held up');
      }
      if (stopped || more) continue;
      if (failures > 0) await pause(Math.min(longestPauseMs, everyMs * 2 ** failures), false);
      else if (!woken) await pause(everyMs, true);
    }
  }

  function pause(ms: number, wakeable: boolean): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(end, ms);
      function end() {
        clearTimeout(timer);
        rouse = () => {};
        resolve();
      }
      rouse = () => {
        if (wakeable || stopped) end();
      };
    });
  }

  const running = run();
  return {
    wake() {
      woken = true;
      rouse();
    },
    async stop() {
      stopped = true;
      rouse();
      await running;
    },
  };
}
