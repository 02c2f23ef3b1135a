import { setTimeout as sleep } from 'node:timers/promises';
import type { Db } from '../store/connection.ts';

const partPauseMs = 5;

/** The bodies that are stored in parts, each part in a transaction of its own, before the delivery. */
export function largeBodiesIn(db: Db) {
  const parts = () => db('large_body_parts');
  return {
    async addPart(deliveryId: string, part: number, bytes: Buffer): Promise<void> {
      await parts().insert({ delivery_id: deliveryId, part, bytes });
    },

    /**
     * Reads one part at a time with a pause after each, so that other work runs in between. Returns nothing if a part is
     * missing.
     */
    async find(deliveryId: string): Promise<Buffer | undefined> {
      const delivery = await db('deliveries').where({ id: deliveryId }).first('size');
      if (!delivery?.size) return undefined;
      const body = Buffer.allocUnsafeSlow(delivery.size);
      let at = 0;
      for (let part = 0; at < body.length; part += 1) {
        const found = await parts().where({ delivery_id: deliveryId, part }).first('bytes');
        if (!found) return undefined;
        at += found.bytes.copy(body, at);
        await sleep(partPauseMs);
      }
      return body;
    },

    /** Makes the parts of one ID the body of a known delivery. What is left of its old body is deleted. */
    async move(fromId: string, deliveryId: string): Promise<void> {
      await this.remove([deliveryId]);
      await parts().where({ delivery_id: fromId }).update({ delivery_id: deliveryId });
    },

    async remove(deliveryIds: string[]): Promise<void> {
      if (deliveryIds.length > 0) await parts().whereIn('delivery_id', deliveryIds).delete();
    },
  };
}
