import type { Moves } from './moves.ts';

export const cloudKinds = ['aws', 'gcp', 'azure'] as const;
export type CloudKind = (typeof cloudKinds)[number];

/** How the access to a cloud is had. Only the last of AWS borrows the authority of the machine that Fairlead runs on. */
export const cloudAuthModes = {
  aws: ['assume_role', 'web_identity', 'access_key', 'ambient'],
  gcp: ['workload_identity', 'service_account_key', 'oauth'],
  azure: ['federated', 'client_secret'],
} as const satisfies Record<CloudKind, readonly string[]>;

export const cloudAccountStatuses = ['pending', 'active', 'action_required', 'deleted'] as const;
export type CloudAccountStatus = (typeof cloudAccountStatuses)[number];

export const cloudAccountMoves: Moves<CloudAccountStatus> = {
  pending: ['active', 'action_required', 'deleted'],
  active: ['action_required', 'deleted'],
  action_required: ['active', 'deleted'],
  deleted: [],
};
