type Waiting = { begin: () => void; abort: (error: Error) => void };

/**
 * Lets one transaction after the other use the only writer of SQLite. Transactions that store webhooks or issue
 * credentials go first, but after each of them one of the others goes, so that neither kind waits for long.
 */
export function createWriterTurns() {
  const awaited: Waiting[] = [];
  const others: Waiting[] = [];
  let isBusy = false;
  let wasAwaited = false;

  function takeTurn(isAwaited: boolean): Promise<void> | undefined {
    if (isBusy) return new Promise((begin, abort) => (isAwaited ? awaited : others).push({ begin, abort }));
    isBusy = true;
    wasAwaited = isAwaited;
    return undefined;
  }

  function passTurn(): void {
    const isForOthers = others.length > 0 && (wasAwaited || awaited.length === 0);
    const next = (isForOthers ? others : awaited).shift();
    wasAwaited = !isForOthers;
    isBusy = next !== undefined;
    next?.begin();
  }

  return {
    async take<Result>(isAwaited: boolean, work: () => Promise<Result>): Promise<Result> {
      await takeTurn(isAwaited);
      try {
        return await work();
      } finally {
        passTurn();
      }
    },

    /** Rejects the transactions that wait. */
    close(): void {
      for (const { abort } of [...awaited.splice(0), ...others.splice(0)]) abort(new Error('The database was closed'));
    },
  };
}
