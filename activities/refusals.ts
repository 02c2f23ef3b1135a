import { ProviderError } from '../providers/failure.ts';

/** Nothing was done, and the same request can succeed later. */
const later = new Set(['rate_limited', 'secondary_limited', 'unavailable', 'network', 'timeout', 'clock_skew']);

/** An error for a request that Fairlead refuses before it contacts a provider. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** An error for a step that is too early. It is retried, and its code says why. */
export class NotYet extends Error {
  override readonly name = 'NotYet';
  readonly code: string;
  readonly retryAfterMs: number | undefined;

  constructor(code: string, message: string, retryAfterMs?: number) {
    super(message);
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}

const firstPauseMs = 5_000;
const longestPauseMs = 5 * 60_000;

/** Returns the stable code of a failure. */
export function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return error instanceof Error && typeof code === 'string' && /^[a-z_]{3,60}$/.test(code) ? code : 'internal';
}

/** Returns the code as a build's reason. For a build, only its repository can be missing. */
export function reasonOf(error: unknown): string {
  const code = codeOf(error);
  return code === 'not_found' || code === 'gone' ? 'repository_gone' : code;
}

/** Whether the error proves that GitHub did not carry out the request. */
export function isDefinite(error: unknown): boolean {
  return error instanceof ProviderError && !error.ambiguous;
}

/** Whether a person must change something first. Our own failures, such as an unavailable database, are no refusals. */
export function isRefusal(error: unknown): boolean {
  if (later.has(codeOf(error))) return false;
  return error instanceof ProviderError || error instanceof Refusal;
}

/**
 * Returns the pause that the provider asks for. Otherwise the pause doubles from 5 seconds, or from the `NotYet`
 * error's own pause, up to 5 minutes.
 */
export function pauseOf(error: unknown, tries: number): number {
  const asked = error instanceof ProviderError ? error.retryAfterMs : undefined;
  const first = error instanceof NotYet ? (error.retryAfterMs ?? firstPauseMs) : firstPauseMs;
  return asked ?? Math.min(first * 2 ** Math.min(tries, 10), longestPauseMs);
}

/** Returns a text that Fairlead wrote or that was redacted when it was thrown. */
export function detailOf(code: string, error: unknown): string {
  const said = error instanceof Error && code !== 'internal' ? error.message : 'Fairlead had an internal error.';
  return code === 'workflow_inputs_undeclared' ? `${said}. ${inputsHint}` : said;
}

/** Says what is missing from a workflow file that GitHub does not start with these inputs. */
export const inputsHint =
  'Declare fairlead_build, fairlead_sha and fairlead_ref, and the pipeline’s own inputs, below ' +
  'on.workflow_dispatch.inputs, and show inputs.fairlead_build in run-name.';
