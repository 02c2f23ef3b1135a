import { z } from 'zod';
import { acceptAgain } from '../../db/github/follow-installations.ts';
import { addOwnApp } from '../../db/github/idle-apps.ts';
import { requestSync } from '../../db/github/installations.ts';
import { integrationsFor } from '../../db/integrations/integrations.ts';
import { holdOwner } from '../../db/people/projects.ts';
import { githubAppSecrets } from '../../db/secrets/github-app-secrets.ts';
import { githubCallbackPath, githubInstalledPath } from '../../domain/connect/github-manifest.ts';
import { missingEvents, missingPermissions } from '../../domain/github/github-permissions.ts';
import { askProvider } from '../http/ask-provider.ts';
import type { ApiDeps } from '../http/deps.ts';
import { type Endpoint, endpoint, reply } from '../http/endpoint.ts';
import { exampleId, name, privateKey, requirePrivateKey, secretText, webhookSecret } from '../http/input.ts';
import { Problem, required } from '../http/problems.ts';
import { IntegrationView, integrationView } from '../integrations/integration-view.ts';
import { findIntegration } from '../integrations/integrations.ts';
import { ownerOf } from '../people/owner.ts';
import { hostOf, requireSupportedHost } from './github-host.ts';
import { NewFlow } from './new-flow.ts';

/** GitHub downloads a file of about 1,700 characters, so a shorter text is refused. */
const pemPlaceholder = `<the content of the .pem file from GitHub: ${'…'.repeat(60)}>`;

const NewImport = z
  .strictObject({
    ...NewFlow.pick({ project_id: true, org_id: true, host_url: true, api_url: true }).shape,
    app_id: z.int().positive().describe('The App ID on GitHub'),
    private_key: privateKey.describe('The private key in PEM, as you download it from GitHub'),
    webhook_secret: webhookSecret.describe('The webhook secret of the GitHub App'),
    client_secret: secretText(8, 500).describe(
      'The client secret of the GitHub App. People sign in with it to prove that they own an account',
    ),
    display_name: name.optional(),
  })
  .meta({
    id: 'NewGithubAppImport',
    examples: [
      {
        project_id: exampleId('prj'),
        app_id: 123456,
        private_key: pemPlaceholder,
        webhook_secret: 'q8Zr2mVx7Lw0TnKc5Hs9Yb4F',
        client_secret: '<the client secret of the GitHub App>',
      },
    ],
  });

const Imported = z
  .object({
    integration: IntegrationView,
    differences: z
      .object({
        missing_permissions: z.record(z.string(), z.string()),
        missing_events: z.array(z.string()),
        webhook_url: z.object({ expected: z.string(), found: z.string().nullable() }).nullable(),
        content_type: z.object({ expected: z.string(), found: z.string().nullable() }).nullable(),
      })
      .describe('What to change in the settings of the GitHub App. Empty lists mean that nothing is missing'),
    set_on_github: z
      .object({ callback_url: z.string(), setup_url: z.string() })
      .describe('Set these addresses in the settings of the GitHub App. Fairlead cannot read them'),
  })
  .meta({ id: 'ImportedGithubApp' });

/** Imports an App that exists already. Fairlead changes nothing at GitHub and lists what differs from what it needs. */
export function githubImportRoutes({ database, keyring, connector, connect, links }: ApiDeps): Endpoint[] {
  return [
    endpoint({
      method: 'post',
      path: '/v1/integrations/github/import',
      operationId: 'importGithubApp',
      tag: 'integrations',
      etag: true,
      summary: 'Import an existing GitHub App',
      description:
        'Fairlead verifies the key at GitHub before it stores anything. Secrets are never returned. Afterwards, connect accounts with `POST /v1/integrations/github/start` and `"app":"own"`.',
      access: 'integrations:write',
      body: NewImport,
      success: { status: 201, body: Imported },
      problems: [
        'not_found',
        'host_not_allowed',
        'host_not_supported',
        'github_app_rejected',
        'github_app_exists',
        'secret_guessable',
        'integration_exists',
        'provider_unavailable',
      ],
      async prepare({ tenant, caller, body }) {
        const { orgId } = await ownerOf(database.reader, { tenant, caller }, body);
        const { hostUrl, apiUrl } = hostOf(connect, body);
        await requireSupportedHost(connector, { hostUrl, apiUrl }, orgId);
        const { app_id: appId, private_key: privateKey } = body;
        requirePrivateKey(privateKey);
        const found = await askProvider(
          () => connector.checkImport({ hostUrl, apiUrl, appId, privateKey, orgId }),
          'app',
        );
        return { hostUrl, apiUrl, found };
      },
      async write({ trx, tenant, caller, body, audit, prepared: { hostUrl, apiUrl, found } }) {
        const owner = await ownerOf(trx, { tenant, caller }, body);
        required(await holdOwner(trx, owner));
        const described = {
          orgId: owner.orgId,
          hostUrl,
          apiUrl,
          appId: found.id,
          slug: found.slug ?? String(found.id),
          name: found.name,
          clientId: found.clientId ?? null,
        };
        const added = await addOwnApp(trx, described);
        const again = added ? undefined : await acceptAgain(trx, described, owner.projectId ?? owner.orgId);
        const app = added ?? again?.app;
        if (!app) {
          const advice = 'Use the existing integration, or delete it before you import the GitHub App again.';
          throw new Problem('github_app_exists', advice);
        }
        const secrets = githubAppSecrets(trx, keyring);
        await secrets.put(app.id, owner.orgId, 'private_key', body.private_key);
        await secrets.put(app.id, owner.orgId, 'webhook_secret', body.webhook_secret);
        await secrets.put(app.id, owner.orgId, 'client_secret', body.client_secret);
        const integrations = integrationsFor(trx, tenant);
        const made = again
          ? await integrations.find(again.integrationId)
          : await integrations.insert({
              ...owner,
              kind: 'github',
              hostUrl,
              authMode: 'github_app',
              status: 'registered',
              displayName: body.display_name ?? `GitHub: ${found.name}`,
              githubAppId: app.id,
              createdBy: caller.id,
              identityKey: `github_app:${app.id}`,
              metadata: {},
            });
        if (!made) throw new Problem('integration_exists', 'Use the existing integration.');
        await audit({ ...owner, action: 'github_app.imported', target: app.id, detail: { integration: made.id } });
        await requestSync(trx, app.id);

        const integration = await findIntegration(trx, tenant, made.id);
        const expectedUrl = connect.webhookUrlFor(app.id);
        return reply({
          revision: integration.revision,
          body: {
            integration: integrationView(integration),
            differences: {
              missing_permissions: missingPermissions(found.permissions),
              missing_events: missingEvents(found.events),
              webhook_url: differing(expectedUrl, found.hook.url),
              content_type: differing('json', found.hook.contentType),
            },
            set_on_github: {
              callback_url: links.publicUrl + githubCallbackPath(app.id),
              setup_url: links.publicUrl + githubInstalledPath,
            },
          },
        });
      },
    }),
  ];
}

function differing(expected: string, found: string | undefined) {
  return expected === found ? null : { expected, found: found ?? null };
}
