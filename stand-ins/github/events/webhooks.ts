import { createHmac, randomUUID } from 'node:crypto';
import type { App, Delivery, Installation, State } from '../state.ts';

export type Payload = Record<string, unknown>;

export type SendWebhook = {
  app: App;
  event: string;
  payload: Payload;
  installation?: Installation;
  /** The App's hook URL if this is not set. */
  to?: string;
  guid?: string;
  headers?: Record<string, string>;
};

/** Signs, sends and logs a webhook as GitHub does. Nothing is redelivered automatically. */
export function createWebhooks(state: State) {
  async function deliver(app: App, delivery: Delivery): Promise<Response> {
    const started = Date.now();
    try {
      // This reserved name never resolves, so the request fails without a wait.
      if (new URL(delivery.url).hostname.endsWith('.invalid')) throw new Error('failed to connect to host');
      const response = await fetch(delivery.url, {
        method: 'POST',
        headers: delivery.requestHeaders,
        body: delivery.rawBody,
        // GitHub waits ten seconds, and Enterprise Server thirty.
        signal: AbortSignal.timeout(state.flavour === 'ghes' ? 30_000 : 10_000),
      });
      delivery.responseBody = await response.clone().text();
      delivery.responseHeaders = Object.fromEntries(response.headers);
      delivery.statusCode = response.status;
      return response;
    } catch (error) {
      // The log shows 502 for a receiver that could not be reached.
      delivery.statusCode = error instanceof Error && error.name === 'TimeoutError' ? 504 : 502;
      throw error;
    } finally {
      delivery.durationSeconds = (Date.now() - started) / 1000;
      if (state.apps.has(app.appId)) state.deliveries.push(delivery);
    }
  }

  return {
    async send({ app, event, payload, installation, to, guid = randomUUID(), headers }: SendWebhook) {
      const url = to ?? app.hookUrl;
      if (!url) throw new Error(`The App ${app.slug} has no hook URL`);
      const body =
        installation && !payload['installation'] ? { ...payload, installation: short(installation) } : payload;
      const json = JSON.stringify(body);
      const isForm = app.contentType === 'form';
      const rawBody = isForm ? new URLSearchParams({ payload: json }).toString() : json;
      return deliver(app, {
        id: state.nextId(),
        appId: app.appId,
        guid,
        event,
        action: typeof body['action'] === 'string' ? body['action'] : null,
        installationId: idOf(body['installation']),
        repositoryId: idOf(body['repository']),
        deliveredAt: state.now(),
        redelivery: false,
        durationSeconds: 0,
        statusCode: 0,
        url,
        rawBody,
        payload: body,
        requestHeaders: { ...signedHeaders(state, app, event, guid, rawBody), ...headers },
        responseHeaders: {},
        responseBody: '',
      });
    },

    /** Sends the same bytes with the same GUID again, as a new entry of the log. */
    async redeliver(guid: string): Promise<Response> {
      const first = state.deliveries.find((one) => one.guid === guid);
      const app = first && state.apps.get(first.appId);
      if (!first || !app) throw new Error(`There is no delivery ${guid}`);
      return deliver(app, {
        ...first,
        id: state.nextId(),
        deliveredAt: state.now(),
        redelivery: true,
        url: app.hookUrl ?? first.url,
        requestHeaders: { ...first.requestHeaders, ...signatures(app, first.rawBody) },
        responseHeaders: {},
        responseBody: '',
      });
    },
  };
}

export function short({ id }: Installation) {
  return { id, node_id: Buffer.from(`Integration${id}`).toString('base64') };
}

function signatures({ webhookSecret }: App, rawBody: string): Record<string, string> {
  const hmac = (algorithm: string) => createHmac(algorithm, webhookSecret).update(rawBody).digest('hex');
  return { 'x-hub-signature': `sha1=${hmac('sha1')}`, 'x-hub-signature-256': `sha256=${hmac('sha256')}` };
}

function signedHeaders(state: State, app: App, event: string, guid: string, rawBody: string): Record<string, string> {
  return {
    accept: '*/*',
    'content-type': app.contentType === 'form' ? 'application/x-www-form-urlencoded' : 'application/json',
    'user-agent': 'GitHub-Hookshot/0a1b2c3',
    'x-github-event': event,
    'x-github-delivery': guid,
    'x-github-hook-id': String(app.hookId),
    'x-github-hook-installation-target-id': String(app.appId),
    'x-github-hook-installation-target-type': 'integration',
    ...(state.flavour === 'ghes' && {
      'x-github-enterprise-host': new URL(state.url).host,
      'x-github-enterprise-version': state.enterpriseVersion,
    }),
    ...signatures(app, rawBody),
  };
}

function idOf(value: unknown): number | null {
  const id = value && typeof value === 'object' && 'id' in value ? value.id : undefined;
  return typeof id === 'number' ? id : null;
}
