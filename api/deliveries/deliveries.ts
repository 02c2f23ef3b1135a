import { z } from 'zod';
import { type Decision, decisionsFor } from '../../db/deliveries/decisions.ts';
import { type Delivery, deliveriesFor } from '../../db/deliveries/deliveries.ts';
import type { Database } from '../../db/store/connection.ts';
import { deliveryOrigins, deliveryStatuses } from '../../domain/deliveries/delivery-status.ts';
import { type Endpoint, endpoint, reply } from '../http/endpoint.ts';
import { epochSeconds, id, PageQuery, pageRequest, toSeconds } from '../http/input.ts';
import { required } from '../http/problems.ts';

const DeliveryView = z
  .object({
    id: id('dlv'),
    provider_delivery_id: z.string().describe('The id at the provider: `X-GitHub-Delivery`'),
    github_app_id: id('gha'),
    event: z.string(),
    origin: z
      .enum(deliveryOrigins)
      .describe(
        '`pulled` was read from the log of the provider. `synthetic` was created because a branch had moved without a webhook',
      ),
    action: z.string().nullable(),
    status: z.enum(deliveryStatuses),
    reason: z.string().nullable().describe('Why the delivery was processed or ignored, or why it failed'),
    installation_id: z.int().nullable().describe('The number at the provider'),
    repository_id: z.int().nullable().describe('The number at the provider'),
    size: z.int().describe('The size of the body in bytes'),
    body_removed_at: epochSeconds
      .nullable()
      .describe(
        'When Fairlead deleted the body because of its age. The body of an undecided delivery is never deleted',
      ),
    headers: z.record(z.string(), z.string()),
    received_at: epochSeconds,
    decided_at: epochSeconds.nullable(),
  })
  .meta({ id: 'Delivery' });

const DecisionView = z
  .object({
    pipeline_id: id('pip'),
    project_id: id('prj'),
    outcome: z.enum(['build', 'blocked', 'skipped']),
    reason: z.string(),
    build_id: id('bld').nullable(),
    created_at: epochSeconds,
  })
  .meta({ id: 'Decision' });

const DecidedDelivery = DeliveryView.extend({ decisions: z.array(DecisionView) }).meta({
  id: 'DeliveryWithDecisions',
});

const filters = {
  status: z.enum(deliveryStatuses).optional(),
  event: z
    .string()
    .regex(/^[a-z_]{1,64}$/)
    .optional(),
};

/** The routes for received webhooks. Only operators see a delivery that belongs to no tenant. */
export function deliveryRoutes({ database }: { database: Database }): Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: '/v1/deliveries',
      operationId: 'listDeliveries',
      tag: 'deliveries',
      summary: 'List received webhooks',
      access: 'deliveries:read',
      query: PageQuery.extend(filters),
      success: { status: 200, body: z.array(DeliveryView) },
      async read({ query: { status, event, ...page }, tenant }) {
        const deliveries = deliveriesFor(database.reader, tenant);
        const { items, next } = await deliveries.list({ status, event }, pageRequest(page));
        return reply({ body: items.map(deliveryView), next });
      },
    }),
    endpoint({
      method: 'get',
      path: '/v1/deliveries/{delivery}',
      operationId: 'getDelivery',
      tag: 'deliveries',
      summary: 'Get a delivery and its decisions',
      access: 'deliveries:read',
      params: z.strictObject({ delivery: id('dlv') }),
      success: { status: 200, body: DecidedDelivery },
      async read({ params, tenant }) {
        const delivery = required(await deliveriesFor(database.reader, tenant).find(params.delivery));
        const decisions = await decisionsFor(database.reader, tenant).listOf(params.delivery);
        return { ...deliveryView(delivery), decisions: decisions.map(decisionView) };
      },
    }),
  ];
}

function deliveryView(delivery: Delivery): z.input<typeof DeliveryView> {
  return {
    id: delivery.id,
    provider_delivery_id: delivery.providerDeliveryId,
    github_app_id: delivery.githubAppId,
    event: delivery.event,
    origin: delivery.origin,
    action: delivery.action,
    status: delivery.status,
    reason: delivery.reason,
    installation_id: delivery.installationExternalId,
    repository_id: delivery.repositoryExternalId,
    size: delivery.size,
    body_removed_at: toSeconds(delivery.bodyRemovedAt),
    headers: delivery.headers,
    received_at: toSeconds(delivery.receivedAt),
    decided_at: toSeconds(delivery.decidedAt),
  };
}

function decisionView(decision: Decision): z.input<typeof DecisionView> {
  return {
    pipeline_id: decision.pipelineId,
    project_id: decision.projectId,
    outcome: decision.outcome,
    reason: decision.reason,
    build_id: decision.buildId,
    created_at: toSeconds(decision.createdAt),
  };
}
