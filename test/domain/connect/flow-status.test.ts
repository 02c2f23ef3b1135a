import { describe, expect, test } from 'vitest';
import {
  type FlowFacts,
  type FlowStep,
  flowMoves,
  flowStatuses,
  isFinalFlowStatus,
  nextStep,
} from '../../../domain/connect/flow-status.ts';

/** A flow of which nothing is known but its status. */
const bare = (status: FlowFacts['status']): FlowFacts => ({
  status,
  hasSignInCode: false,
  githubUserId: null,
  claimedInstallation: null,
  approvedInstallation: null,
  confirmedAt: null,
});

const steps: [string, FlowFacts, FlowStep][] = [
  ['a page that nobody has sent yet', bare('page_served'), 'wait'],
  ['a code of a manifest', bare('code_received'), 'convert'],
  ['an App that nobody has installed', bare('app_created'), 'wait'],
  ['a claim of nobody', { ...bare('install_pending'), claimedInstallation: 1 }, 'wait'],
  ['a sign-in code', { ...bare('install_pending'), claimedInstallation: 1, hasSignInCode: true }, 'identify'],
  [
    'a newer sign-in code of somebody known',
    { ...bare('install_pending'), claimedInstallation: 1, githubUserId: 2, hasSignInCode: true },
    'identify',
  ],
  ['a person without a claim', { ...bare('install_pending'), githubUserId: 2 }, 'wait'],
  ['a claim of a person', { ...bare('install_pending'), claimedInstallation: 1, githubUserId: 2 }, 'prove'],
  ['a request of nobody', bare('awaiting_approval'), 'wait'],
  ['a request of a person', { ...bare('awaiting_approval'), githubUserId: 2 }, 'look_for_approval'],
  ['an approval', { ...bare('awaiting_approval'), githubUserId: 2, approvedInstallation: 1 }, 'wait'],
  [
    'an approval that was confirmed',
    { ...bare('awaiting_approval'), githubUserId: 2, approvedInstallation: 1, confirmedAt: 3 },
    'prove',
  ],
  [
    'an approval that nobody signed in for',
    { ...bare('awaiting_approval'), approvedInstallation: 1, confirmedAt: 3 },
    'wait',
  ],
];

test.each(steps)('%s', (_, facts, step) => {
  expect(nextStep(facts)).toBe(step);
});

describe('a flow that has ended', () => {
  const ends = flowStatuses.filter(isFinalFlowStatus);

  test('needs no more steps, regardless of its data', () => {
    expect(ends).toEqual(flowStatuses.filter((status) => flowMoves[status].length === 0));
    const left = {
      hasSignInCode: true,
      githubUserId: 2,
      claimedInstallation: 1,
      approvedInstallation: 1,
      confirmedAt: 3,
    };
    for (const status of ends) expect(nextStep({ status, ...left })).toBe('over');
  });

  test('has not ended in any other status', () => {
    for (const status of flowStatuses.filter((one) => !ends.includes(one)))
      expect(nextStep(bare(status))).not.toBe('over');
  });
});
