import type { Moves } from '../moves.ts';

export const deliveryStatuses = ['received', 'processed', 'ignored', 'failed'] as const;

/** How a delivery came: by the provider's call, from its log, or from a head that nobody told us of. */
export const deliveryOrigins = ['webhook', 'pulled', 'synthetic'] as const;
export type DeliveryOrigin = (typeof deliveryOrigins)[number];

export type DeliveryStatus = (typeof deliveryStatuses)[number];

/**
 * A failed delivery is armed again when the provider sends it once more, and so is one that was ignored for one of
 * `staleReasons`; any other decided one never is.
 */
export const deliveryMoves: Moves<DeliveryStatus> = {
  received: ['processed', 'ignored', 'failed'],
  processed: [],
  ignored: ['received'],
  failed: ['received'],
};

/**
 * Why a delivery is ignored where it may only be that we do not know yet what the provider knows: it waits a while for
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
