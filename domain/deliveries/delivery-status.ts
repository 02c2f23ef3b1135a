import type { Moves } from '../moves.ts';

export const deliveryStatuses = ['received', 'processed', 'ignored', 'failed'] as const;

/** How a delivery arrived: by the provider's request, from its log, or from a changed head without a webhook. */
export const deliveryOrigins = ['webhook', 'pulled', 'synthetic'] as const;
export type DeliveryOrigin = (typeof deliveryOrigins)[number];

export type DeliveryStatus = (typeof deliveryStatuses)[number];

/**
 * A redelivery re-arms a failed delivery, and one that was ignored for one of `staleReasons`. No other decided delivery
 * is re-armed.
 */
export const deliveryMoves: Moves<DeliveryStatus> = {
  received: ['processed', 'ignored', 'failed'],
  processed: [],
  ignored: ['received'],
  failed: ['received'],
};

/** The reason of a delivery that failed because its body is not stored completely. */
export const bodyMissing = 'body_missing';

/**
 * The reasons for which a delivery is ignored although Fairlead may only be behind the provider. It waits some time for
 * a sync, or for a person who binds the installation.
 */
export const staleReasons: readonly string[] = [
  'installation_unknown',
  'installation_unbound',
  'repository_unknown',
  'repository_removed',
  'integration_suspended',
  'integration_disconnected',
];
