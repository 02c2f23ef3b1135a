import { cloudFailures } from './cloud-failures.ts';
import type { AskedFor, FailureFacts, Provider } from './failure-facts.ts';
import { githubFailures } from './github-failures.ts';
import { registryFailures } from './registry-failures.ts';
import { sharedFailures } from './shared-failures.ts';

/**
 * Every code that a request to a provider fails with, and what follows from it. To add a code, add one row to the list
 * of the provider: `github-failures.ts`, `cloud-failures.ts` or `registry-failures.ts`. A code that several providers
 * have belongs in `shared-failures.ts`.
 */
export const providerFailures = { ...sharedFailures, ...githubFailures, ...cloudFailures, ...registryFailures };

type Failures = typeof providerFailures;
type From<Of extends Provider> = {
  [Code in keyof Failures]: Of extends Failures[Code]['from'][number] ? Code : never;
}[keyof Failures];

export type ProviderErrorCode = keyof Failures;
export type GitHubErrorCode = From<'github'>;
export type AwsErrorCode = From<'aws'>;
export type GoogleErrorCode = From<'gcp'>;
export type AzureErrorCode = From<'azure'>;
export type RegistryErrorCode = From<'registry'>;

type ProblemIn<Problem> = Problem extends string ? Problem : Problem[keyof Problem];

/** The problem codes that the table names. The API's catalogue has all of them. */
export type ProviderProblem = ProblemIn<Failures[ProviderErrorCode]['problem']> | typeof otherProblem;

const otherProblem = 'provider_unavailable';

/** Returns the row of a code that was stored or thrown, and undefined if it is not a provider's. */
export function failureFacts(code: string): FailureFacts | undefined {
  return Object.hasOwn(providerFailures, code) ? providerFailures[code as ProviderErrorCode] : undefined;
}

/** Returns the problem that the API reports if a provider fails with this code. */
export function problemOf(code: ProviderErrorCode, asked: AskedFor): ProviderProblem {
  const { problem }: { problem: ProviderProblem | Partial<Record<AskedFor, ProviderProblem>> } = providerFailures[code];
  return typeof problem === 'string' ? problem : (problem[asked] ?? otherProblem);
}
