import type { LandingRefusal } from '../connect/land.ts';
import { Problem } from '../http/problems.ts';

type ConsentRefusal = Exclude<LandingRefusal, 'callback_foreign'>;

const again = 'Start again from the page that sent you here.';

/** What each refusal tells the person; all of them change nothing. */
const advice: Record<ConsentRefusal, string> = {
  state_missing: `The address lacks its \`state\`. ${again}`,
  state_unknown: `This link is not one of ours, or a newer one has taken its place. ${again}`,
  state_expired: `This took too long. ${again}`,
  state_used: `This was used before. ${again}`,
  state_foreign: 'This was started in another browser, or by somebody else. Go on there, or start again here.',
  answer_incomplete: `Google’s answer lacks its code. ${again}`,
};

export function refuseConsent(reason: ConsentRefusal): never {
  throw new Problem('flow_state_refused', advice[reason], { members: { reason } });
}
