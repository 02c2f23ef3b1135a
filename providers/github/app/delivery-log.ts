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
/** `now` is the time by GitHub's own clock, which is what the entries are dated by. */
export type LogPage = { entries: LogEntry[]; next: string | undefined; now: number | undefined };

/** A delivery with all that was sent. Headers have lower-case names. */
export type LoggedDelivery = { guid: string; event: string; headers: Record<string, string>; payload: object };

/** The App's own log of what was sent to its webhook. It keeps three days on github.com, seven on Enterprise Server. */
export function deliveryLogOf(request: Request, call: (method: string) => Call) {
  return {
    /** 100 attempts, newest first; `next` is for the page after this one. */
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

    /** Has it sent once more, under the same guid. GitHub answers before it does so. */
    redeliver(id: number): Promise<void> {
      return send(
        call('POST'),
        () => request('POST /app/hook/deliveries/{delivery_id}/attempts', { delivery_id: id }),
        () => undefined,
      );
    },
  };
}

/** A cursor travels through what operators read, and the host may be anyone's: it must look like one. */
const cursorLike = /^[\w.=:%+-]{1,120}$/;

/** Only the cursor is taken from the link: its address is not ours to follow. */
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
