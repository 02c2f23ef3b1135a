/**
 * Lets `count` works go on at once, and the others wait in turn. One that takes longer than `holdMs` goes on without its
 * place: it keeps nobody else waiting.
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
