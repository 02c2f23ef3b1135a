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
 * How a browser flow that connects a GitHub account may move. One that installs an App which is already there begins
 * at `created` and goes on with `install_pending`. `rejected` is a person who was not shown to own the account.
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
 * `manifest` makes a new App and installs it; `operator` installs the operator's App; `own` installs an App that the
 * organization has already, for one more account.
 */
export type FlowKind = (typeof flowKinds)[number];

/** What a state that is sent through a browser is good for: one that comes back for something else is refused. */
export const statePurposes = ['ticket', 'create', 'manifest', 'install', 'oauth'] as const;
export type StatePurpose = (typeof statePurposes)[number];

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

/** How long each state may be on its way. GitHub gives a manifest an hour, and an authorization code ten minutes. */
export const stateLifetimes: Readonly<Record<StatePurpose, number>> = {
  ticket: 10 * minute,
  create: hour,
  manifest: hour,
  install: hour,
  oauth: 10 * minute,
};

/** How long a flow waits for each thing that a person does. */
export const flowLifetimes = { manifest: hour, install: day, approval: 30 * day } as const;

/** What a flow has so far, as far as it decides what comes next. */
export type FlowFacts = {
  status: FlowStatus;
  /** A sealed authorization code waits to be changed for who the person is. */
  hasSignInCode: boolean;
  /** Who signed in at GitHub, by GitHub's number. */
  githubUserId: number | null;
  /** The installation that the browser named: a claim, until it is proven. */
  claimedInstallation: number | null;
  /** The installation that an owner has approved, and that the initiator has confirmed. */
  approvedInstallation: number | null;
  confirmedAt: number | null;
};

export type FlowStep = 'over' | 'convert' | 'identify' | 'prove' | 'look_for_approval' | 'wait';

/** What is to be done next by us; `wait` is for a person. */
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
