import { providerFailure } from '../../broker/provider-failure.ts';
import type { AskedFor } from '../../domain/ops/failure-facts.ts';
import { problemOf } from '../../domain/ops/provider-failures.ts';
import { Problem, type ProblemCode } from './problems.ts';

/** Advice that follows the provider's message. */
const cures: Partial<Record<ProblemCode, string>> = {
  host_not_supported: 'Send the address of a GitHub host, and `api_url` if its API has another address.',
  github_app_rejected: 'Send the App ID from the settings of the GitHub App, and a private key that is listed there.',
};

/** Runs a request to a provider that a person waits for. A refusal becomes a problem with the provider's message. */
export async function askProvider<Result>(
  work: () => Promise<Result>,
  asked: AskedFor = 'repository',
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    const failure = providerFailure(error);
    if (!failure) throw error;
    const { retryAfterMs } = failure;
    const headers = retryAfterMs !== undefined && { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) };
    const code: ProblemCode = failure.overasked ? 'too_many_requests' : problemOf(failure.code, asked);
    const cure = cures[code];
    throw new Problem(code, cure ? `${failure.message.replace(/[.]?$/, '.')} ${cure}` : failure.message, {
      ...(headers && { headers }),
      members: { provider_code: failure.code },
    });
  }
}
