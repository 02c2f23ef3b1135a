import { z } from 'zod';
import { integrationsFor } from '../../db/integrations/integrations.ts';
import { isDuplicate } from '../../db/store/errors.ts';
import type { ApiDeps } from '../http/deps.ts';
import { type Endpoint, endpoint, type ReplyOf, reply, requireRevision, type WriteRequest } from '../http/endpoint.ts';
import { id, name } from '../http/input.ts';
import { jsonValue } from '../http/json-value.ts';
import { Problem, type ProblemCode, required } from '../http/problems.ts';
import { changeRegistry, registryChanges, requireChangeable, verifyAfter } from '../registries/change-registry.ts';
import { isRegistry } from '../registries/registry-view.ts';
import { ChangedIntegration, detailById, detailOf } from './integration-view.ts';
import { findIntegration } from './integrations.ts';

const mostMetadata = 4_096;

export const IntegrationChanges = z
  .strictObject({
    display_name: name,
    metadata: z
      .record(z.string().min(1).max(100), jsonValue)
      .refine((value) => JSON.stringify(value).length <= mostMetadata, `at most ${mostMetadata} characters as JSON`)
      .describe('Your own metadata. Replaces all of it. Do not send secrets. `installation_id` does not change'),
    ...registryChanges,
  })
  .partial()
  .meta({ id: 'IntegrationChange', examples: [{ display_name: 'Docker Hub of Acme', repositories: ['acme/shop'] }] });

const Params = z.strictObject({ integration: id('int') });

/** The scope and the problems of this operation, here and in the dialect. */
export const updating = {
  access: 'integrations:write',
  problems: [
    'not_found',
    'integration_deleted',
    'integration_exists',
    'precondition_failed',
    'provider_not_supported',
    'credentials_not_allowed_for_kind',
    'credentials_short_lived',
  ] satisfies ProblemCode[],
} as const;

type UpdateRequest = Pick<
  WriteRequest<z.output<typeof Params>, unknown, z.output<typeof IntegrationChanges>>,
  'trx' | 'tenant' | 'params' | 'body' | 'audit' | 'ifMatch'
>;

/** Returns the function behind `PATCH /v1/integrations/{integration}`, which the routes of the dialect call as well. */
export function updateIntegration({ database, keyring, connect }: Pick<ApiDeps, 'database' | 'keyring' | 'connect'>) {
  return async ({
    trx,
    tenant,
    params,
    body,
    audit,
    ...request
  }: UpdateRequest): Promise<ReplyOf<z.input<typeof ChangedIntegration>>> => {
    const integration = required(await integrationsFor(trx, tenant).take(params.integration));
    const { id, orgId, projectId, revision } = integration;
    if (integration.status === 'deleting') throw new Problem('integration_deleted');
    requireRevision(request, revision);
    const { display_name: displayName, metadata, ...changes } = body;
    requireChangeable(integration, changes);
    const registry =
      isRegistry(integration) &&
      (await changeRegistry({ trx, tenant }, { keyring, connect }, { integration, changes }));
    const changed = await integrationsFor(trx, tenant)
      .update(id, revision, {
        ...(displayName !== undefined && { displayName }),
        ...(metadata !== undefined && { metadata: withOwn(metadata, integration.metadata) }),
        ...(registry && { registry }),
      })
      .catch((error: unknown) => {
        if (!isDuplicate(error)) throw error;
        throw new Problem(
          'integration_exists',
          'Another request has just connected the same account. Use that integration.',
        );
      });
    if (!changed) throw new Problem('precondition_failed');
    const detail = { fields: Object.keys(body).join(' ') };
    await audit({ orgId, projectId, action: 'integration.updated', target: id, detail });
    const updated = await findIntegration(trx, tenant, id);
    const operation = await verifyAfter(trx, updated, changes);
    return {
      body: await detailOf(trx, updated),
      revision: updated.revision,
      ...(operation && { operation, renew: () => detailById(database.reader, id) }),
    };
  };
}

export function integrationUpdateRoutes(deps: Pick<ApiDeps, 'database' | 'keyring' | 'connect'>): Endpoint[] {
  const update = updateIntegration(deps);
  return [
    endpoint({
      method: 'patch',
      path: '/v1/integrations/{integration}',
      operationId: 'updateIntegration',
      tag: 'integrations',
      etag: true,
      summary: 'Update an integration',
      description:
        'Changes the name, the metadata or, for a registry, its credentials and settings. If the change can affect access to a registry, Fairlead verifies it again: see the operation in the response. To replace the credentials of a GitHub App, use `POST …/credentials/rotate`.',
      ...updating,
      params: Params,
      body: IntegrationChanges,
      success: { status: 200, body: ChangedIntegration },
      write: async (request) => reply(await update(request)),
    }),
  ];
}

/** Keeps the metadata that Fairlead wrote. The caller cannot change it. */
function withOwn(metadata: Record<string, unknown>, before: Record<string, unknown>): Record<string, unknown> {
  const { installation_id: _, ...theirs } = metadata;
  const ours = before['installation_id'];
  return ours === undefined ? theirs : { ...theirs, installation_id: ours };
}
