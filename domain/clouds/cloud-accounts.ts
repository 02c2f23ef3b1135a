import type { Moves } from '../moves.ts';

export const cloudKinds = ['aws', 'gcp', 'azure'] as const;
export type CloudKind = (typeof cloudKinds)[number];

/** How Fairlead gets access to the cloud. Only the last mode of AWS borrows the identity of Fairlead's own machine. */
const cloudAuthModes = {
  aws: ['assume_role', 'web_identity', 'access_key', 'ambient'],
  gcp: ['workload_identity', 'service_account_key', 'oauth'],
  azure: ['federated', 'client_secret'],
} as const satisfies Record<CloudKind, readonly string[]>;
type CloudAuthMode = (typeof cloudAuthModes)[CloudKind][number];

/** A secret that lives for years. Each cloud has a mode without one. */
const staticModes: readonly CloudAuthMode[] = ['access_key', 'service_account_key', 'client_secret'];

export function isDiscouraged(authMode: string): boolean {
  return staticModes.some((mode) => mode === authMode);
}

/** The modes in which the cloud trusts Fairlead as an issuer of tokens. */
const federatedModes: readonly CloudAuthMode[] = ['web_identity', 'workload_identity', 'federated'];

export function isFederated(authMode: string): boolean {
  return federatedModes.some((mode) => mode === authMode);
}

export const cloudAccountStatuses = ['pending', 'active', 'action_required', 'deleted'] as const;
export type CloudAccountStatus = (typeof cloudAccountStatuses)[number];

/** A changed access mode or secret must be proven again. */
export const cloudAccountMoves: Moves<CloudAccountStatus> = {
  pending: ['active', 'action_required', 'deleted'],
  active: ['pending', 'action_required', 'deleted'],
  action_required: ['pending', 'active', 'deleted'],
  deleted: [],
};
