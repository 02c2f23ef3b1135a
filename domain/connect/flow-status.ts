import { isFinal, type Moves } from '../moves.ts';

export const flowStatuses = [
  'created',
  'page_served',
  'code_received',
  'app_created',
  'install_pending',
  'awaiting_approval',
  'completed',
  'rejected',
  'expired',
  'canceled',
  'failed',
] as const;

export type FlowStatus = (typeof flowStatuses)[number];

const ends = ['expired', 'canceled', 'failed'] as const;

/**
 * The moves of a browser flow that connects a GitHub account. A flow that installs an existing App begins at `created`
 * and continues with `install_pending`. `rejected` means that GitHub did not show the person to own the account.
 */
export const flowMoves: Moves<FlowStatus> = {
  created: ['page_served', 'install_pending', ...ends],
  page_served: ['code_received', ...ends],
  code_received: ['app_created', 'failed', 'expired'],
  app_created: ['install_pending', ...ends],
  install_pending: ['awaiting_approval', 'completed', 'rejected', ...ends],
  awaiting_approval: ['install_pending', 'completed', 'rejected', ...ends],
  completed: [],
  rejected: [],
  expired: [],
  canceled: [],
  failed: [],
};

export function isFinalFlowStatus(status: FlowStatus): boolean {
  return isFinal(flowMoves, status);
}

export const flowKinds = ['manifest', 'operator', 'own'] as const;

/**
 * `manifest` creates and installs a new App. `operator` installs the operator's App. `own` installs an App of the
 * organization on one more account.
 */
export type FlowKind = (typeof flowKinds)[number];

/** The purpose of a `state` that passes through a browser. A state that returns for another purpose is rejected. */
export const statePurposes = ['ticket', 'create', 'manifest', 'install', 'oauth'] as const;
export type StatePurpose = (typeof statePurposes)[number];

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

/** How long each state is valid. GitHub keeps a manifest for an hour and an authorization code for ten minutes. */
export const stateLifetimes: Readonly<Record<StatePurpose, number>> = {
  ticket: 10 * minute,
  create: hour,
  manifest: hour,
  install: hour,
  oauth: 10 * minute,
};

/** How long a flow waits for each action of a person. */
export const flowLifetimes = { manifest: hour, install: day, approval: 30 * day } as const;

/** The facts of a flow that decide its next step. */
export type FlowFacts = {
  status: FlowStatus;
  /** A sealed authorization code that waits to be exchanged for the person's identity. */
  hasSignInCode: boolean;
  /** GitHub's number of the person who signed in. */
  githubUserId: number | null;
  /** The installation that the browser named. It is a claim until it is proven. */
  claimedInstallation: number | null;
  /** The installation that an owner has approved and the initiator has confirmed. */
  approvedInstallation: number | null;
  confirmedAt: number | null;
};

export type FlowStep = 'over' | 'convert' | 'identify' | 'prove' | 'look_for_approval' | 'wait';

/** The next step of Fairlead; `wait` means that a person is next. */
export function nextStep(flow: FlowFacts): FlowStep {
  if (isFinalFlowStatus(flow.status)) return 'over';
  if (flow.status === 'code_received') return 'convert';
  if (flow.hasSignInCode) return 'identify';
  if (flow.githubUserId === null) return 'wait';
  if (flow.status === 'install_pending' && flow.claimedInstallation !== null) return 'prove';
  if (flow.status === 'awaiting_approval') {
    if (flow.approvedInstallation === null) return 'look_for_approval';
    if (flow.confirmedAt !== null) return 'prove';
  }
  return 'wait';
}
