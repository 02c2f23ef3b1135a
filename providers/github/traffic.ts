/** A request that is about to be sent. */
export type Leaving = {
  /** What the request changes: nothing, a run or a token, or something that others see. */
  effect: 'read' | 'control' | 'content';
  /** The installation or App whose hourly limit it counts against. Absent if it counts against none. */
  account?: string | undefined;
  /** A person waits for it, so it may use the reserved part of the rate limit. */
  urgent: boolean;
};

export type Answered = { status: number; headers: Headers; limit?: Limit | undefined };

/** GitHub's rate-limit rejection. */
export type Limit = { code: 'rate_limited' | 'secondary_limited'; retryAfterMs: number };

/** What a process knows about one host. Clients ask it before each request and report the result. */
export type Traffic = {
  /** Resolves when the request may be sent, after a short pause at most. Throws a `ProviderError` if it may not. */
  admit(request: Leaving): Promise<void>;
  answered(request: Leaving, answer: Answered, sentAt: number): void;
  /** No answer came in time. */
  unanswered(request: Leaving): void;
  /** The request was held back on this side, so the host does not know about it. */
  refused(request: Leaving): void;
  /** How far the host's clock is ahead of ours, from its latest answers. */
  clockOffsetMs(): number;
};

/** For a client that shares its host with no other. It holds nothing back and learns the time on its own. */
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

/** The header has whole seconds, and answers take time. */
const unsureMs = 2_000;
/** No maintained clock is off by more. Such a host does not know the time at all. */
const mostMs = 24 * 3_600_000;

/** How far a host's clock is ahead of ours, from the `Date` header of its answers. */
export function createHostClock(now: () => number) {
  let offset = 0;
  return {
    offsetMs: () => offset,
    learn(headers: Headers, sentAt: number): void {
      const said = Date.parse(headers.get('date') ?? '');
      if (Number.isNaN(said)) return;
      // On average the host's second is half over, and it responded between our sending and our receiving.
      const ahead = said + 500 - (sentAt + now()) / 2;
      if (Math.abs(ahead) < mostMs) offset = Math.abs(ahead) < unsureMs ? 0 : Math.round(ahead);
    },
  };
}
