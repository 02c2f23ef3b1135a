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

/** Statuses in which builds may use the integration. */
export const usableIntegrationStatuses: readonly IntegrationStatus[] = ['active', 'degraded'];

/** Statuses in which the integration has ended. Its name and its installations are free again. */
export const endedIntegrationStatuses: readonly IntegrationStatus[] = ['deleted', 'expired'];

/** Statuses in which the integration is being deleted or was deleted. */
export const deletedIntegrationStatuses: readonly IntegrationStatus[] = ['deleting', 'deleted'];

/** Statuses in which the integration never becomes usable again. */
export const closedIntegrationStatuses: readonly IntegrationStatus[] = ['deleting', 'deleted', 'expired'];
