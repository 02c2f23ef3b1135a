export type EgressErrorCode = 'host_not_allowed' | 'redirect_refused' | 'too_large' | 'timeout' | 'unreachable';

/** Why an outbound request has no answer. The message names at most the host, and never a path, a query or a header. */
export class EgressError extends Error {
  override readonly name = 'EgressError';
  readonly code: EgressErrorCode;
  /** True if nothing of the request can have left this machine. False if the other side may have acted on it. */
  readonly unsent: boolean;
  /** The system's error code while connecting, such as `ECONNREFUSED`. */
  readonly reason: string | undefined;

  constructor(code: EgressErrorCode, message: string, more: { unsent?: boolean; reason?: string } = {}) {
    super(message);
    this.code = code;
    this.unsent = more.unsent ?? false;
    this.reason = more.reason;
  }
}

/** `fetch` hides the actual error as the cause of `TypeError: fetch failed`. */
export function egressErrorIn(error: unknown): EgressError | undefined {
  let current = error;
  for (let depth = 0; depth < 4 && current instanceof Error; depth += 1) {
    if (current instanceof EgressError) return current;
    current = current.cause;
  }
  return undefined;
}
