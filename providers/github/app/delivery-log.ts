import { idIn, pageIn, perPage, type Request, send, timeIn } from '../client.ts';
import type { Call } from '../failures.ts';

export type LogEntry = {
  id: number;
  guid: string;
  event: string;
  deliveredAt: number;
  redelivery: boolean;
  statusCode: number;
};
/** `now` is the time by GitHub's own clock, which also dates the entries. */
export type LogPage = { entries: LogEntry[]; next: string | undefined; now: number | undefined };

/** A delivery with all that GitHub sent. Header names are in lower case. */
export type LoggedDelivery = { guid: string; event: string; headers: Record<string, string>; payload: object };

/** The App's own log of its webhooks. GitHub keeps three days on github.com and seven on Enterprise Server. */
export function deliveryLogOf(request: Request, call: (method: string) => Call) {
  return {
    /** Returns 100 attempts, newest first. `next` is the cursor of the next page. */
    listHookDeliveries(cursor?: string): Promise<LogPage> {
      return send(
        call('GET'),
        () => request('GET /app/hook/deliveries', { per_page: perPage, ...(cursor !== undefined && { cursor }) }),
        (data, { headers }) => ({
          entries: pageIn(data).map((one) => ({
            id: idIn(one),
            guid: one.guid.toLowerCase(),
            event: one.event,
            deliveredAt: timeIn(one.delivered_at),
            redelivery: one.redelivery,
            statusCode: one.status_code,
          })),
          next: cursorIn(headers),
          now: dateIn(headers),
        }),
      );
    },

    getHookDelivery(id: number): Promise<LoggedDelivery> {
      return send(
        call('GET'),
        () => request('GET /app/hook/deliveries/{delivery_id}', { delivery_id: id }),
        ({ guid, event, request: sent }) => {
          if (typeof sent.payload !== 'object' || sent.payload === null) throw new TypeError('no payload');
          const headers = Object.entries(sent.headers ?? {}).filter(([, value]) => typeof value === 'string');
          return {
            guid: guid.toLowerCase(),
            event,
            headers: Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), String(value)])),
            payload: sent.payload,
          };
        },
      );
    },

    /** Makes GitHub send it once more, under the same guid. GitHub responds before it sends. */
    redeliver(id: number): Promise<void> {
      return send(
        call('POST'),
        () => request('POST /app/hook/deliveries/{delivery_id}/attempts', { delivery_id: id }),
        () => undefined,
      );
    },
  };
}

/** The form that a cursor must have, because operators read cursors and the host might be hostile. */
const cursorLike = /^[\w.=:%+-]{1,120}$/;

/** Takes only the cursor from the link. Fairlead never follows the link's address. */
function cursorIn(headers: Record<string, unknown>): string | undefined {
  const next = String(headers['link'] ?? '')
    .split(',')
    .find((link) => link.includes('rel="next"'));
  const cursor = decoded(next?.match(/[?&]cursor=([^&>]{1,400})/)?.[1] ?? '');
  return cursorLike.test(cursor) ? cursor : undefined;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}

function dateIn(headers: Record<string, unknown>): number | undefined {
  const at = Date.parse(String(headers['date'] ?? ''));
  return Number.isNaN(at) ? undefined : at;
}
