import { setCurrentDetails } from '@temporalio/workflow';
import { claimDueChecks, watchRegistries } from './activities.ts';

/** Of one run: after a long downtime all are due at once, and the next run goes on. */
const mostBatches = 10;

/**
 * Started every five minutes: has the registries asked whose time has come, each by a workflow of its own, and tells of
 * credentials that end soon.
 */
export async function checkRegistries(): Promise<void> {
  await watchRegistries();
  let asked = 0;
  for (let batch = 0; batch < mostBatches; batch += 1) {
    const { claimed, more } = await claimDueChecks();
    asked += claimed;
    if (!more) break;
  }
  setCurrentDetails(asked === 0 ? 'No registry’s time had come' : `Asked, each by \`verify/…\`: ${asked} registries`);
}
