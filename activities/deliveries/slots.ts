/**
 * Runs `count` tasks at once, while others wait in turn. A task that takes longer than `holdMs` continues without its
 * slot, so it does not block the others.
 */
export function createSlots(count: number, holdMs: number) {
  const waiting: (() => void)[] = [];
  let free = count;

  function release(): void {
    const next = waiting.shift();
    if (next) next();
    else free += 1;
  }

  return {
    async use<Result>(work: () => Promise<Result>): Promise<Result> {
      if (free > 0) free -= 1;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      let held = true;
      const giveBack = () => {
        if (held) release();
        held = false;
      };
      const timer = setTimeout(giveBack, holdMs);
      try {
        return await work();
      } finally {
        clearTimeout(timer);
        giveBack();
      }
    },
  };
}
