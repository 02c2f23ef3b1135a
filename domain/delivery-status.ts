import type { Moves } from './moves.ts';

export const deliveryStatuses = ['received', 'processed', 'ignored', 'failed'] as const;

export type DeliveryStatus = (typeof deliveryStatuses)[number];

/** A failed delivery is armed again when the provider sends it once more; a decided one never is. */
export const deliveryMoves: Moves<DeliveryStatus> = {
  received: ['processed', 'ignored', 'failed'],
  processed: [],
  ignored: [],
  failed: ['received'],
};
