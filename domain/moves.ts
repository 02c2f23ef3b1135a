/** The statuses that may follow each status. A status without followers is final. */
export type Moves<Status extends string> = Readonly<Record<Status, readonly Status[]>>;

/** Returns the statuses that can move to `to`. */
export function sourcesOf<Status extends string>(moves: Moves<Status>, to: Status): Status[] {
  return (Object.keys(moves) as Status[]).filter((from) => moves[from].includes(to));
}

export function isMove<Status extends string>(moves: Moves<Status>, from: Status, to: Status): boolean {
  return moves[from].includes(to);
}

export function isFinal<Status extends string>(moves: Moves<Status>, status: Status): boolean {
  return moves[status].length === 0;
}
