import type { Moves } from '../moves.ts';

export const integrationStatuses = [
  'pending',
  'registered',
  'awaiting_approval',
  'active',
  'degraded',
  'reauth_required',
  'suspended',
  'disconnected',
  'expired',
  'deleting',
  'deleted',
] as const;

export type IntegrationStatus = (typeof integrationStatuses)[number];

const troubles = ['degraded', 'reauth_required', 'suspended', 'disconnected'] as const;

export const integrationMoves: Moves<IntegrationStatus> = {
  pending: ['registered', 'awaiting_approval', 'active', 'degraded', 'reauth_required', 'expired', 'deleting'],
  registered: ['awaiting_approval', 'active', 'expired', 'deleting'],
  awaiting_approval: ['active', 'expired', 'deleting'],
  active: [...troubles, 'deleting'],
  degraded: ['active', 'reauth_required', 'suspended', 'disconnected', 'deleting'],
  reauth_required: ['active', 'degraded', 'suspended', 'disconnected', 'deleting'],
  suspended: ['active', 'degraded', 'reauth_required', 'disconnected', 'deleting'],
  disconnected: ['active', 'degraded', 'reauth_required', 'suspended', 'deleting'],
  expired: ['deleting'],
  deleting: ['deleted'],
  deleted: [],
};

/** The statuses in which an integration may be used to build. */
export const usableIntegrationStatuses: readonly IntegrationStatus[] = ['active', 'degraded'];
