export type FaultKind =
  | 'status'
  | 'lost_answer'
  | 'reset'
  | 'hang'
  | 'rate_limit'
  | 'secondary_limit'
  | 'slow'
  | 'twice';

export type Fault = {
  method?: string;
  /** The pattern for the path below the API's root, without the query. */
  path: RegExp;
  /** How often the fault occurs. Without it, the fault stays until it is cleared. */
  times?: number;
  /**
   * - `status`: this answer and no effect, or with `after: true` the effect and then this answer
   * - `lost_answer`: the effect, and then the connection breaks
   * - `reset`: the connection breaks before anything happens
   * - `hang`: no effect and no answer
   * - `rate_limit`, `secondary_limit`: GitHub's two kinds of refusal, without effect
   * - `slow`: all as it should be, `delayMs` later
   * - `twice`: the request arrives again, as when a proxy repeats it; the effect twice, and the second answer
   */
  kind: FaultKind;
  status?: number;
  after?: boolean;
  /** Seconds. */
  retryAfter?: number;
  /** More headers for the response of a `status` fault. */
  headers?: Record<string, string>;
  /** The body, sent unchanged. The contract check finds a broken one. */
  body?: unknown;
  delayMs?: number;
};

export type Faults = ReturnType<typeof createFaults>;

/** The next faults. The fault that was added first occurs first. */
export function createFaults() {
  const faults: (Fault & { left: number })[] = [];
  return {
    add(fault: Fault): void {
      faults.push({ ...fault, left: fault.times ?? Number.POSITIVE_INFINITY });
    },
    clear(): void {
      faults.length = 0;
    },
    take(method: string, path: string): Fault | undefined {
      const fault = faults.find(
        (one) => one.left > 0 && (one.method ?? method).toUpperCase() === method && one.path.test(path),
      );
      if (fault) fault.left -= 1;
      return fault;
    },
  };
}
