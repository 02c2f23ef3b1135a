import { requireApp } from '../access/tokens.ts';
import { type Call, ok, Refused, type Route } from '../answers.ts';
import type { App, Delivery } from '../state.ts';
import { timestamp } from '../views/views.ts';

const day = 86_400_000;
/** How long the log keeps its entries. */
const kept = { 'github.com': 3 * day, 'ghe.com': 3 * day, ghes: 7 * day };

/** The App's webhook: its address and the log of its deliveries. */
export function hookRoutes(redeliver: (guid: string) => Promise<unknown>): Route[] {
  return [
    { method: 'GET', path: '/app/hook/config', handle: (call) => ok(configView(requireApp(call))) },
    {
      method: 'PATCH',
      path: '/app/hook/config',
      handle(call) {
        const app = requireApp(call);
        const { url, secret, content_type: contentType } = call.body as Record<string, string | undefined>;
        if (url !== undefined) app.hookUrl = url;
        if (secret !== undefined) app.webhookSecret = secret;
        // GitHub's default is `form`, even if it was `json` before.
        app.contentType = contentType ?? 'form';
        return ok(configView(app));
      },
    },
    { method: 'GET', path: '/app/hook/deliveries', handle: listDeliveries },
    {
      method: 'GET',
      path: '/app/hook/deliveries/{delivery_id}',
      handle: (call) => ok(deliveryView(requireDelivery(call))),
    },
    {
      method: 'POST',
      path: '/app/hook/deliveries/{delivery_id}/attempts',
      handle(call) {
        const { guid } = requireDelivery(call);
        call.later(() => redeliver(guid).catch(() => undefined));
        return { status: 202, body: {} };
      },
    },
  ];
}

function listDeliveries(call: Call) {
  const app = requireApp(call);
  const { state, query } = call;
  const wanted = query.get('status');
  const cursor = Number(query.get('cursor') ?? Number.MAX_SAFE_INTEGER);
  const perPage = Math.min(Number(query.get('per_page') ?? 30), 100);
  const found = state.deliveries
    .filter((one) => one.appId === app.appId && one.id < cursor && one.deliveredAt > state.now() - kept[state.flavour])
    .filter((one) => wanted === null || (wanted === 'success') === isSuccess(one))
    .sort((a, b) => b.id - a.id);
  const shown = found.slice(0, perPage);
  const last = shown.at(-1);
  const next = new URLSearchParams(query);
  if (last) next.set('cursor', String(last.id));
  return {
    status: 200,
    body: shown.map((one) => itemView(one)),
    ...(found.length > shown.length && {
      headers: { link: `<${state.apiUrl}/app/hook/deliveries?${next}>; rel="next"` },
    }),
  };
}

function requireDelivery(call: Call): Delivery {
  const app = requireApp(call);
  const id = Number(call.params['delivery_id']);
  const delivery = call.state.deliveries.find((one) => one.id === id && one.appId === app.appId);
  if (!delivery) throw new Refused(404, 'Not Found');
  return delivery;
}

function configView(app: App) {
  return {
    content_type: app.contentType,
    insecure_ssl: '0',
    ...(app.hookUrl !== undefined && { url: app.hookUrl }),
    // GitHub never shows it again.
    secret: '********',
  };
}

function itemView(delivery: Delivery) {
  return {
    id: delivery.id,
    guid: delivery.guid,
    delivered_at: timestamp(delivery.deliveredAt),
    redelivery: delivery.redelivery,
    duration: delivery.durationSeconds,
    status: statusTextOf(delivery),
    status_code: delivery.statusCode,
    event: delivery.event,
    action: delivery.action,
    installation_id: delivery.installationId,
    repository_id: delivery.repositoryId,
    throttled_at: null,
  };
}

function deliveryView(delivery: Delivery) {
  return {
    ...itemView(delivery),
    url: delivery.url,
    request: { headers: delivery.requestHeaders, payload: delivery.payload },
    response: { headers: delivery.responseHeaders, payload: delivery.responseBody },
  };
}

function statusTextOf(delivery: Delivery): string {
  if (isSuccess(delivery)) return 'OK';
  const isAnswered = Object.keys(delivery.responseHeaders).length > 0;
  if (isAnswered) return `Invalid HTTP Response: ${delivery.statusCode}`;
  return delivery.statusCode === 504 ? 'timed out' : 'failed to connect to host';
}

function isSuccess({ statusCode }: Delivery): boolean {
  return statusCode >= 200 && statusCode < 300;
}
