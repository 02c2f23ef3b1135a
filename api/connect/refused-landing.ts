import { Problem } from '../http/problems.ts';
import type { LandingRefusal } from './land.ts';

/** What each refusal tells the person; all of them change nothing. */
export const landingAdvice: Record<LandingRefusal, string> = {
  state_missing: 'The address lacks its `state`. Start again from the page that sent you to GitHub.',
  state_unknown:
    'This state is not one of ours, or its flow is gone. Start again from the page that sent you to GitHub.',
  state_expired: 'This took too long. Start again from the page that sent you to GitHub.',
  state_used: 'This state was used before, with another answer. Start again from the page that sent you to GitHub.',
  state_foreign: 'The flow was started in another browser, or by somebody else. Go on there, or start again here.',
  callback_foreign:
    'GitHub sent you back to the address of another App. Start again from the page that sent you there.',
  answer_incomplete:
    'GitHub’s answer lacks what belongs to this step. Start again from the page that sent you to GitHub.',
};

export function refusedLanding(refusal: LandingRefusal): Problem {
  return new Problem('flow_state_refused', landingAdvice[refusal], { members: { reason: refusal } });
}

/** For where no answer follows. */
export function refuse(refusal: LandingRefusal): never {
  throw refusedLanding(refusal);
}
