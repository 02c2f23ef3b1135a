/** A request that is about to leave. */
export type Leaving = {
  /** Nothing, the start or the end of a run or a token, or something that others see. */
  effect: 'read' | 'control' | 'content';
  /** Whose hourly limit it counts against: an installation's or an App's. None for what is nobody's. */
  account?: string | undefined;
  /** A person waits for it: it may use what is kept back for persons. */
  urgent: boolean;
};

export type Answered = { status: number; headers: Headers; limit?: Limit | undefined };

/** GitHub's refusal to be asked any more for now. */
export type Limit = { code: 'rate_limited' | 'secondary_limited'; retryAfterMs: number };

/** What a process remembers of one host: asked before each request, and told what became of it. */
export type Traffic = {
  /** Returns when the request may leave, after a short rest at most; throws a `ProviderError` where it may not. */
  admit(request: Leaving): Promise<void>;
  answered(request: Leaving, answer: Answered, sentAt: number): void;
  /** No answer came, or none in time. */
  unanswered(request: Leaving): void;
  /** It was held back on this side after all: the host knows nothing of it. */
  refused(request: Leaving): void;
  /** How far the host's clock is ahead of ours, as its latest answers say. */
  clockOffsetMs(): number;
};

/** For a client that nobody else shares a host with: it holds nothing back, and learns the time for itself. */
export function freeTraffic(now: () => number): Traffic {
  const clock = createHostClock(now);
  return {
    admit: async () => {},
    answered: (_request, { headers }, sentAt) => clock.learn(headers, sentAt),
    unanswered: () => {},
    refused: () => {},
    clockOffsetMs: clock.offsetMs,
  };
}

/** The header counts whole seconds, and answers travel. */
const unsureMs = 2_000;
/** No clock that is kept is further off: such a host does not know the time at all. */
const mostMs = 24 * 3_600_000;

/** How far a host's clock is ahead of ours, from the time that it puts on its answers. */
export function createHostClock(now: () => number) {
  let offset = 0;
  return {
    offsetMs: () => offset,
    learn(headers: Headers, sentAt: number): void {
      const said = Date.parse(headers.get('date') ?? '');
      if (Number.isNaN(said)) return;
      // On average its second is half over, and it answered between our sending and our hearing.
      const ahead = said + 500 - (sentAt + now()) / 2;
      if (Math.abs(ahead) < mostMs) offset = Math.abs(ahead) < unsureMs ? 0 : Math.round(ahead);
    },
  };
}
