import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { Counter, Histogram, type Registry } from 'prom-client';
import { type NewDelivery, type StoredDelivery, storeDeliveries } from '../../db/deliveries/store-deliveries.ts';
import { BatchFull, createBatch } from '../../db/store/batch.ts';
import type { Database } from '../../db/store/connection.ts';
import { UnreadableSecret } from '../../db/store/sealing.ts';
import { contentKeyOf, signatureDigest } from '../../domain/deliveries/delivery-content.ts';
import type { Logger } from '../../log.ts';
import type { Intake, IntakeAnswer } from '../http/deps.ts';
import { networkOf } from '../http/rate-limit.ts';
import { type BodyPace, readBody, swallow } from '../http/read-body.ts';
import { createBodyBudget } from './body-budget.ts';
import { refusals } from './intake-refusals.ts';
import { createLargeBodies } from './large-bodies.ts';
import { type HookKeys, signatureCheck } from './webhook-keys.ts';

/** GitHub sends no larger payload (https://docs.github.com/en/webhooks/webhook-events-and-payloads). */
const maxBodyBytes = 25 * 1024 * 1024;
/** The limits for bodies that are still arriving: of all senders, and of one address. */
const arriving = { maxBytes: 512 * 1024 * 1024, maxBytesOfOne: 128 * 1024 * 1024 };

const guid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const eventName = /^[a-z][a-z0-9_]{0,63}$/;

/** The only headers that are stored. GitHub once sent webhook secrets in a header by mistake. */
const keptHeaders = [
  'x-github-hook-id',
  'x-github-hook-installation-target-type',
  'x-github-hook-installation-target-id',
  'x-github-enterprise-host',
  'x-github-enterprise-version',
  'user-agent',
  'content-type',
];

export function createIntake({
  database,
  hookKeys,
  logger,
  registry,
  bounds = {},
  arrival = {},
}: {
  database: Database;
  hookKeys: HookKeys;
  logger: Logger;
  registry: Registry;
  /** The limits for webhooks that wait to be stored. */
  bounds?: { maxItems?: number; maxBytes?: number };
  /** The limits for bodies that are still arriving. */
  arrival?: { pace?: BodyPace; maxBytes?: number; maxBytesOfOne?: number };
}): Intake {
  const metrics = createIntakeMetrics(registry);
  const { pace, ...room } = arrival;
  const budget = createBodyBudget({ ...arriving, ...room });
  const batch = createBatch<NewDelivery, StoredDelivery>({
    database,
    write: storeDeliveries,
    bytesOf: ({ body }) => body.length + 1_000,
    ownerOf: ({ githubAppId }) => githubAppId,
    ...bounds,
  });
  const { maxBytes } = bounds;
  const largeBodies = createLargeBodies({ database, ...(maxBytes !== undefined && { maxBytes }) });

  async function take(
    request: IncomingMessage,
    { ip, githubAppId }: Parameters<Intake['receive']>[1],
  ): Promise<StoredDelivery | keyof typeof refusals> {
    const { headers } = request;
    if (headers['content-encoding']) return 'content_encoding';
    if (Number(headers['content-length']) > maxBodyBytes) return 'too_large';
    const digest = signatureDigest(headers['x-hub-signature-256']);
    if (!digest) return headers['x-hub-signature-256'] ? 'signature_form' : 'signature_missing';

    // The keys are cached for seconds, so this rarely waits. If the request names no App of ours, its body is not kept.
    const app = await hookKeys.keysFor({
      githubAppId,
      targetId: one(headers, 'x-github-hook-installation-target-id'),
      enterpriseHost: one(headers, 'x-github-enterprise-host'),
    });
    if (!app) return 'unknown_app';
    const check = signatureCheck(app.keys);
    const sender = { network: networkOf(ip), app: app.githubAppId };
    const parts = await readBody(request, {
      maxBytes: maxBodyBytes,
      budget,
      sender,
      onPart: check.update,
      ...(pace && { pace }),
    });
    if (!Array.isArray(parts)) return parts;
    if (!check.isSignedWith(digest)) return 'signature_wrong';
    budget.prove(sender);

    const event = one(headers, 'x-github-event') ?? '';
    const providerDeliveryId = one(headers, 'x-github-delivery')?.toLowerCase() ?? '';
    if (!guid.test(providerDeliveryId)) return 'delivery_id';
    if (!eventName.test(event)) return 'event';
    if (!/^application\/json\s*(;|$)/i.test(headers['content-type'] ?? '')) return 'content_type';
    const delivery = {
      githubAppId: app.githubAppId,
      providerDeliveryId,
      event,
      contentKey: contentKeyOf(event, digest),
      headers: allowed(headers),
    };
    return largeBodies.before(delivery, parts, batch.add);
  }

  return {
    async receive(request, from) {
      const stop = metrics.stored.startTimer();
      try {
        const result = await take(request, from);
        if (typeof result === 'string') {
          metrics.refused.inc({ reason: result });
          swallow(request);
          return refusals[result];
        }
        stop();
        metrics.accepted.inc({ known: known(result) });
        return accepted(result);
      } catch (error) {
        const reason =
          error instanceof BatchFull ? 'too_many' : error instanceof UnreadableSecret ? error.code : 'store_failed';
        metrics.refused.inc({ reason });
        if (reason === 'store_failed') logger.error({ err: error }, 'webhook could not be stored');
        return refusals[reason];
      }
    },
    drain: batch.drain,
  };
}

function known({ duplicate, differs }: StoredDelivery): string {
  if (!duplicate) return 'no';
  return differs ? 'with_another_body' : 'yes';
}

function accepted({ id, duplicate }: StoredDelivery): IntakeAnswer {
  return {
    status: 202,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
    body: JSON.stringify({ delivery_id: id, duplicate }),
  };
}

/** Returns the header's value. If it was sent twice, the values are joined by a comma and fail the format check. */
function one(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}

function allowed(headers: IncomingHttpHeaders): Record<string, string> {
  const kept = keptHeaders.map((name) => [name, one(headers, name)?.slice(0, 200)]);
  return Object.fromEntries(kept.filter(([, value]) => value !== undefined));
}

function createIntakeMetrics(registry: Registry) {
  const registers = [registry];
  return {
    accepted: new Counter({
      name: 'fairlead_webhooks_accepted_total',
      help: 'Webhooks that were stored, or known already',
      labelNames: ['known'],
      registers,
    }),
    refused: new Counter({
      name: 'fairlead_webhooks_refused_total',
      help: 'Webhooks that were refused, by reason',
      labelNames: ['reason'],
      registers,
    }),
    stored: new Histogram({
      name: 'fairlead_webhook_store_seconds',
      help: 'From a webhook’s headers to its commit',
      buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
      registers,
    }),
  };
}
