import type { Moves } from '../moves.ts';

export const cloudKinds = ['aws', 'gcp', 'azure'] as const;
export type CloudKind = (typeof cloudKinds)[number];

/** How the access to a cloud is had. Only the last of AWS borrows the authority of the machine that Fairlead runs on. */
const cloudAuthModes = {
  aws: ['assume_role', 'web_identity', 'access_key', 'ambient'],
  gcp: ['workload_identity', 'service_account_key', 'oauth'],
  azure: ['federated', 'client_secret'],
} as const satisfies Record<CloudKind, readonly string[]>;
type CloudAuthMode = (typeof cloudAuthModes)[CloudKind][number];

/** A secret that lies about for years; each cloud has a way without one. */
const staticModes: readonly CloudAuthMode[] = ['access_key', 'service_account_key', 'client_secret'];

export function isDiscouraged(authMode: string): boolean {
  return staticModes.some((mode) => mode === authMode);
}

/** Those in which the cloud trusts Fairlead as an issuer of tokens. */
const federatedModes: readonly CloudAuthMode[] = ['web_identity', 'workload_identity', 'federated'];

export function isFederated(authMode: string): boolean {
  return federatedModes.some((mode) => mode === authMode);
}

export const cloudAccountStatuses = ['pending', 'active', 'action_required', 'deleted'] as const;
export type CloudAccountStatus = (typeof cloudAccountStatuses)[number];

/** What was proven is to be proven anew once the account is entered in another way, or with another secret. */
export const cloudAccountMoves: Moves<CloudAccountStatus> = {
  pending: ['active', 'action_required', 'deleted'],
  active: ['pending', 'action_required', 'deleted'],
  action_required: ['pending', 'active', 'deleted'],
  deleted: [],
};
