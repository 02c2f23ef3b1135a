import { ProviderError } from '../providers/failure.ts';

/** Nothing was done, and the same request may well be accepted later. */
const later = new Set(['rate_limited', 'secondary_limited', 'unavailable', 'network', 'timeout', 'clock_skew']);

/** We refuse ourselves, before anybody is asked. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** Nothing is wrong, but it is too early: to be tried again, and told by its code. */
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

/** The stable code of a failure. */
export function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return error instanceof Error && typeof code === 'string' && /^[a-z_]{3,60}$/.test(code) ? code : 'internal';
}

/** The code as a build's reason: for a build, what is not found is always its repository. */
export function reasonOf(error: unknown): string {
  const code = codeOf(error);
  return code === 'not_found' || code === 'gone' ? 'repository_gone' : code;
}

/** Whether the answer (or a connection that was never made) proves that GitHub did not do what it was asked. */
export function isDefinite(error: unknown): boolean {
  return error instanceof ProviderError && !error.ambiguous;
}

/** Whether a person must change something first. A failure of our own (the database is away) is no refusal. */
export function isRefusal(error: unknown): boolean {
  if (later.has(codeOf(error))) return false;
  return error instanceof ProviderError || error instanceof Refusal;
}

/** What the provider asks for, or ever longer up to 5 min: from 5 s, or from what is said where it is too early. */
export function pauseOf(error: unknown, tries: number): number {
  const asked = error instanceof ProviderError ? error.retryAfterMs : undefined;
  const first = error instanceof NotYet ? (error.retryAfterMs ?? firstPauseMs) : firstPauseMs;
  return asked ?? Math.min(first * 2 ** Math.min(tries, 10), longestPauseMs);
}

/** A sentence that was made by us, or redacted where it was raised. */
export function detailOf(code: string, error: unknown): string {
  const said = error instanceof Error && code !== 'internal' ? error.message : 'Something failed on our side.';
  return code === 'workflow_inputs_undeclared' ? `${said}. ${inputsHint}` : said;
}

/** What is missing from a file that GitHub would not start with these inputs. */
export const inputsHint =
  'Declare fairlead_build, fairlead_sha and fairlead_ref, and the pipeline’s own inputs, below ' +
  'on.workflow_dispatch.inputs, and show inputs.fairlead_build in run-name.';
