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

    /** Reads one part at a time with a pause after each, so that other work runs in between. */
    async find(deliveryId: string): Promise<Buffer> {
      const size = (await db('deliveries').where({ id: deliveryId }).first('size'))?.size ?? 0;
      const body = Buffer.allocUnsafeSlow(Number(size));
      let at = 0;
      for (let part = 0; at < body.length; part += 1) {
        const found = await parts().where({ delivery_id: deliveryId, part }).first('bytes');
        if (!found) return Buffer.alloc(0);
        at += found.bytes.copy(body, at);
        await sleep(partPauseMs);
      }
      return body;
    },

    async remove(deliveryIds: string[]): Promise<void> {
      if (deliveryIds.length > 0) await parts().whereIn('delivery_id', deliveryIds).delete();
    },
  };
}
