import { providerFailure } from '../broker/provider-failure.ts';
import { Problem } from './problems.ts';

/** Runs what a person waits for at a provider: its refusals become problems that say what the provider said. */
export async function askProvider<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    const failure = providerFailure(error);
    if (!failure) throw error;
    const unreachable = ['not_found', 'moved', 'gone', 'installation_gone', 'installation_suspended'];
    throw new Problem(
      unreachable.includes(failure.code) ? 'repository_not_reachable' : 'provider_unavailable',
      failure.message,
      { members: { provider_code: failure.code } },
    );
  }
}
