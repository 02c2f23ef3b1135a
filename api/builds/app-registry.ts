import { z } from 'zod';
import { appsFor } from '../../db/builds/apps.ts';
import { findIssuer } from '../../db/exchange/issuers.ts';
import { imageRepository, repositoryNameAdvice } from '../../domain/registries/image-repository.ts';
import { registryHost, registryKinds } from '../../domain/registries/registry-hosts.ts';
import type { RegistrySettings } from '../../domain/registries/registry-settings.ts';
import { type Endpoint, endpoint, reply, requireRevision } from '../http/endpoint.ts';
import { id } from '../http/input.ts';
import { Problem } from '../http/problems.ts';
import { chooseIntegration } from '../integrations/choose-integration.ts';
import { AppParams, AppView, appView, findApp } from './apps.ts';

const NewRegistry = z
  .strictObject({
    integration_id: id('int').optional().describe('You can omit it if the project can use only one registry'),
    image_repository: z
      .string()
      .min(1)
      .max(300)
      .describe('For example `acme/shop`. The host of the registry is optional. Do not send a tag.'),
  })
  .meta({ id: 'NewAppRegistry', examples: [{ image_repository: 'acme/shop' }] });

export function appRegistryRoutes(): Endpoint[] {
  return [
    endpoint({
      method: 'put',
      path: '/v1/apps/{app}/registry',
      operationId: 'setAppRegistry',
      tag: 'apps',
      etag: true,
      summary: 'Set the image repository of an app',
      description:
        'Builds of the app can then get a credential to push images there, and deployments can get one to pull them.',
      access: 'projects:write',
      params: AppParams,
      body: NewRegistry,
      success: { status: 200, body: AppView },
      problems: ['ambiguous_integration', 'integration_unusable', 'no_integration', 'repository_not_reachable'],
      async write({ trx, tenant, params, body, audit, ...request }) {
        const app = await findApp(trx, tenant, params.app);
        requireRevision(request, app.revision);
        const { projectId } = app;
        const wanted = { projectId, kinds: registryKinds, named: body.integration_id };
        const integrationId = await chooseIntegration(trx, wanted);
        const settings = (await findIssuer(trx, projectId, integrationId))?.settings as RegistrySettings | undefined;
        const host = settings && registryHost(settings.registry);
        const name = host && imageRepository(host, body.image_repository);
        if (!name) {
          const advice = host ? repositoryNameAdvice(host, body.image_repository) : 'must be the name of a repository';
          throw new Problem('repository_not_reachable', `image_repository ${advice}.`);
        }
        const registry = { integrationId, imageRepository: name };
        if (!(await appsFor(trx, tenant).setRegistry(app.id, app.revision, registry))) {
          throw new Problem('precondition_failed');
        }
        await audit({
          orgId: app.orgId,
          projectId,
          action: 'app.registry_set',
          target: app.id,
          detail: { integration: integrationId, repository: name },
        });
        const changed = { ...app, registry, updatedAt: Date.now() };
        return reply({ body: await appView(trx, changed), revision: app.revision + 1 });
      },
    }),
  ];
}
