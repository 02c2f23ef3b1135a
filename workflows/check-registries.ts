import { setCurrentDetails } from '@temporalio/workflow';
import { claimDueChecks, watchRegistries } from './activities.ts';

/** The limit of one run. After a long downtime all registries are due at once, and the next run continues. */
const mostBatches = 10;

/**
 * Runs every five minutes. Starts a check for each registry that is due, and raises incidents for credentials that
 * expire soon.
 */
export async function checkRegistries(): Promise<void> {
  await watchRegistries();
  let asked = 0;
  for (let batch = 0; batch < mostBatches; batch += 1) {
    const { claimed, more } = await claimDueChecks();
    asked += claimed;
    if (!more) break;
  }
  setCurrentDetails(
    asked === 0 ? 'No registry was due' : `Started a check of ${asked} registries, each in a workflow \`verify/…\``,
  );
}
