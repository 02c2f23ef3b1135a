import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { allConnectFlows } from '../../db/connect/connect-flows.ts';
import { type GithubApp, githubAppsIn } from '../../db/github/github-apps.ts';
import type { Integration } from '../../db/integrations/integrations.ts';
import { operationsFor } from '../../db/ops/operations.ts';
import { type Credential, credentialsIn } from '../../db/secrets/credentials.ts';
import { githubAppSecrets } from '../../db/secrets/github-app-secrets.ts';
import { type Rotation, rotationsIn, wakeRotation } from '../../db/secrets/rotations.ts';
import { ifReadable } from '../../db/secrets/sealed-secrets.ts';
import type { Transaction } from '../../db/store/connection.ts';
import type { TenantScope } from '../../db/store/tenant.ts';
import { githubHost } from '../../domain/github/github-host.ts';
import { appSettingsUrl } from '../../domain/github/github-urls.ts';
import { newId } from '../../domain/ids.ts';
import { registryPasswordKind } from '../../domain/registries/registry-settings.ts';
import { type GithubSecretKind, githubSecretKinds } from '../../domain/secrets/credential-status.ts';
import { keyFingerprint } from '../../domain/secrets/key-fingerprint.ts';
import { webhookOverlapMs } from '../../domain/secrets/rotation-phase.ts';
import { rotateWorkflowId } from '../../workflows/ids.ts';
import type { ApiDeps } from '../http/deps.ts';
import { type Endpoint, endpoint, reply } from '../http/endpoint.ts';
import { id, privateKey, requirePrivateKey, secretText, webhookSecret } from '../http/input.ts';
import { OperationView } from '../http/operation-view.ts';
import { Problem } from '../http/problems.ts';
import { findIntegration } from '../integrations/integrations.ts';
import { rollBackRegistry } from '../registries/roll-back-login.ts';

const Params = z.strictObject({ integration: id('int') });
const kind = z.enum(githubSecretKinds);

const NewRotation = z
  .strictObject({
    kind,
    secret: webhookSecret
      .optional()
      .describe('Only for `webhook_secret`: the new secret. Fairlead creates one if you omit it'),
    private_key: privateKey.optional().describe('Only for `private_key`: the new key in PEM, from GitHub'),
    client_secret: secretText(8, 500).optional().describe('Only for `client_secret`: the new secret, from GitHub'),
    now: z
      .boolean()
      .optional()
      .describe(
        'Only for `webhook_secret`, if the old one has leaked: it ends as soon as GitHub has the new one. An old secret that an earlier rotation left valid ends with this request. Webhooks that GitHub has signed with them and not delivered by then are refused with 401. If you omit this, they are valid for eight more days',
      ),
  })
  .meta({
    id: 'NewCredentialRotation',
    examples: [
      { kind: 'webhook_secret' },
      { kind: 'client_secret', client_secret: '<the new client secret from GitHub>' },
    ],
  });

const NewRollback = z
  .strictObject({ kind: z.enum([...githubSecretKinds, registryPasswordKind]) })
  .meta({ id: 'NewCredentialRollback', examples: [{ kind: 'webhook_secret' }, { kind: registryPasswordKind }] });

const RotationStarted = z
  .object({
    operation: OperationView.describe('Succeeds when the new credential is in use'),
    credential_id: z.string(),
    mode: z.enum(['auto', 'assisted']).nullable().describe('Null for a registry'),
    settings_url: z
      .string()
      .nullable()
      .describe(
        'The settings of the GitHub App, where its owner creates and deletes keys and client secrets. Null for a registry',
      ),
  })
  .meta({ id: 'CredentialRotation' });

/** The credential to replace. It always belongs to the caller's organization. */
type Target = { integration: Integration; app: GithubApp; credential: Credential };

export function credentialRotationRoutes({ keyring }: Pick<ApiDeps, 'keyring'>): Endpoint[] {
  return [
    endpoint({
      method: 'post',
      path: '/v1/integrations/{integration}/credentials/rotate',
      operationId: 'rotateCredential',
      tag: 'credentials',
      summary: 'Rotate a GitHub App credential',
      description:
        'Replaces the webhook secret, private key or client secret of the organization’s GitHub App. Fairlead verifies the new credential before it uses it; until then the old one stays in use. GitHub has no API for keys and client secrets: create the new one in the settings of the GitHub App and send it here. Delete the old one there when the operation has succeeded.',
      access: 'credentials:rotate',
      params: Params,
      body: NewRotation,
      success: { status: 202, body: RotationStarted },
      problems: [
        'not_found',
        'integration_deleted',
        'operator_credential',
        'rotation_in_progress',
        'provider_not_supported',
        'credential_unchanged',
        'secret_guessable',
      ],
      async write({ trx, tenant, caller, params, body, audit }) {
        const { integration, app, credential } = await findTarget(trx, tenant, params.integration, body.kind);
        const { orgId, projectId } = integration;
        const secret = secretIn(body);
        const secrets = githubAppSecrets(trx, keyring);
        await refuseSecond(trx, credential.id, body);
        const oldVersion = await credentialsIn(trx).activeVersion(credential.id);
        if (oldVersion === undefined)
          throw new Problem('not_found', 'The GitHub App has no credential of this kind. Check `kind`.');
        // A version that does not open can be replaced.
        const old = await ifReadable(secrets.secretOf(credential.id, oldVersion));
        if (old !== undefined && isSame(body.kind, old, secret)) {
          throw new Problem(
            'credential_unchanged',
            'Create a new credential in the settings of the GitHub App and send that.',
          );
        }

        const newVersion = await secrets.addPending(credential, secret);
        const operationId = newId('op');
        const operation = await operationsFor(trx, tenant).insert({
          id: operationId,
          orgId,
          projectId,
          kind: 'rotate',
          subjectId: credential.id,
          workflowId: rotateWorkflowId(credential.id, operationId),
        });
        const mode = body.kind === 'webhook_secret' ? 'auto' : 'assisted';
        const rotation = await rotationsIn(trx).insert({
          orgId,
          projectId,
          integrationId: integration.id,
          credentialId: credential.id,
          operationId,
          mode,
          newVersion,
          oldVersion,
          immediate: body.now ?? false,
          requestedBy: caller.id,
        });
        if (!rotation) throw new Problem('rotation_in_progress');
        await wakeRotation(trx, rotation);
        await audit({
          orgId,
          projectId,
          action: 'credential.rotation_requested',
          target: credential.id,
          detail: { kind: body.kind, version: newVersion, ...(body.now && { now: true }) },
        });
        const settings_url = await settingsUrlOf(trx, app);
        return reply({ operation, body: { credential_id: credential.id, mode, settings_url } });
      },
    }),
    endpoint({
      method: 'post',
      path: '/v1/integrations/{integration}/credentials/rollback',
      operationId: 'rollbackCredential',
      tag: 'credentials',
      summary: 'Roll back a credential',
      description:
        'Restores the previous credential. You can do this while the old credential is `retiring`: for a GitHub App, while a rotation is in progress; for the login of a registry (`registry_password`), for a day. Fairlead then verifies the registry again.',
      access: 'credentials:rotate',
      params: Params,
      body: NewRollback,
      success: { status: 202, body: RotationStarted },
      problems: [
        'not_found',
        'invalid_transition',
        'integration_deleted',
        'integration_exists',
        'operator_credential',
        'provider_not_supported',
      ],
      async write({ trx, tenant, params, body, audit }) {
        if (body.kind === registryPasswordKind) return rollBackRegistry({ trx, tenant, audit }, params.integration);
        const { integration, app, credential } = await findTarget(trx, tenant, params.integration, body.kind);
        const { orgId, projectId } = integration;
        const rotation = await rollBack(trx, tenant, credential, { orgId, projectId });
        await audit({
          orgId,
          projectId,
          action: 'credential.rollback_requested',
          target: credential.id,
          detail: { kind: body.kind, version: rotation.oldVersion },
        });
        const settings_url = await settingsUrlOf(trx, app);
        const { mode, operation } = rotation;
        return reply({ operation, body: { credential_id: credential.id, mode, settings_url } });
      },
    }),
  ];
}

async function findTarget(
  trx: Transaction,
  tenant: TenantScope,
  integrationId: string,
  kind: GithubSecretKind,
): Promise<Target> {
  const integration = await findIntegration(trx, tenant, integrationId);
  if (integration.status === 'deleting') throw new Problem('integration_deleted');
  const app = integration.githubAppId ? await githubAppsIn(trx).find(integration.githubAppId) : undefined;
  if (!app) throw new Problem('provider_not_supported', 'Name an integration that uses its own GitHub App.');
  // The next start would restore the secret from the environment.
  if (app.orgId === null) {
    throw new Problem(
      'operator_credential',
      'This integration uses the operator’s GitHub App. Ask the operator to change the GITHUB_APP_… settings and to restart Fairlead.',
    );
  }
  const credential = await credentialsIn(trx).takeOf(app.id, kind);
  if (app.orgId !== integration.orgId || !credential) {
    throw new Problem('not_found', 'The GitHub App has no credential of this kind. Check `kind`.');
  }
  return { integration, app, credential };
}

/** Returns the secret of this kind, and refuses any other. */
function secretIn({
  kind,
  secret,
  private_key: privateKey,
  client_secret: clientSecret,
  now,
}: z.output<typeof NewRotation>) {
  const sent = { secret, private_key: privateKey, client_secret: clientSecret };
  const wanted = kind === 'webhook_secret' ? 'secret' : kind;
  const others = Object.entries(sent).filter(([name, value]) => name !== wanted && value !== undefined);
  const errors = others.map(([name]) => ({ path: `body.${name}`, message: `does not belong to ${kind}` }));
  if (now && kind !== 'webhook_secret') {
    errors.push({ path: 'body.now', message: `does not belong to ${kind}: delete the old one at GitHub` });
  }
  const value = sent[wanted];
  if (kind !== 'webhook_secret' && value === undefined) {
    errors.push({ path: `body.${kind}`, message: 'is required: GitHub has no API to create one' });
  }
  if (errors.length > 0) throw new Problem('invalid_request', undefined, { errors });
  if (kind === 'private_key') requirePrivateKey(value ?? '');
  return value ?? randomBytes(32).toString('hex');
}

/** Returns whether the secrets are the same. A private key can have several encodings. */
function isSame(kind: GithubSecretKind, old: string, secret: string): boolean {
  return kind === 'private_key' ? keyFingerprint(old) === keyFingerprint(secret) : old === secret;
}

/**
 * Refuses a second rotation. An open one of a webhook secret ends if its own work is done: after a rollback, or if the
 * caller wants to end the old secret now.
 */
async function refuseSecond(
  trx: Transaction,
  credentialId: string,
  { kind, now }: z.output<typeof NewRotation>,
): Promise<void> {
  const found = await rotationsIn(trx).findOpen(credentialId);
  const open = found && (await rotationsIn(trx).take(found.id));
  if (!open) return;
  const { operationId, phase, updatedAt } = open;
  const isDone = kind === 'webhook_secret' && (phase === 'returning' || (now && phase === 'overlapping'));
  if (isDone) {
    if (now) await credentialsIn(trx).purge(credentialId, 'retiring');
    await rotationsIn(trx).move(open.id, phase === 'returning' ? 'rolled_back' : 'done');
    // Its workflow reads that it has ended.
    return wakeRotation(trx, open);
  }
  const isOverlap = kind === 'webhook_secret' && phase === 'overlapping';
  const until = new Date(updatedAt + webhookOverlapMs).toISOString();
  const advice = isOverlap
    ? `The old secret is valid until ${until}. If it has leaked, start a rotation with \`now: true\`. You can also roll back.`
    : 'Wait until the rotation has ended, or roll it back.';
  throw new Problem('rotation_in_progress', advice, { members: { operation_id: operationId, phase } });
}

async function rollBack(
  trx: Transaction,
  tenant: TenantScope,
  { id }: Credential,
  owner: { orgId: string; projectId: string | null },
) {
  const found = await rotationsIn(trx).findOpen(id);
  const rotation: Rotation | undefined = found && (await rotationsIn(trx).take(found.id));
  const { operationId = '', oldVersion = 0 } = rotation ?? {};
  const operation = await operationsFor(trx, tenant).insert({
    ...owner,
    kind: 'rollback',
    subjectId: id,
    workflowId: rotateWorkflowId(id, operationId),
  });
  const moved =
    rotation && (await rotationsIn(trx).move(rotation.id, 'rolling_back', { rollbackOperationId: operation.id }));
  if (!rotation || !moved) {
    throw new Problem('invalid_transition', 'No rotation is in progress, so there is nothing to roll back.', {
      members: { phase: rotation?.phase ?? null },
    });
  }
  // Restart the period in which this version still verifies.
  await credentialsIn(trx).prolong(id, oldVersion);
  await wakeRotation(trx, rotation);
  return { operation, mode: rotation.mode, oldVersion };
}

/**
 * Returns the address of the App's settings. Only the flow that created the App knows its owner. Otherwise, the public
 * page leads owners to the settings.
 */
async function settingsUrlOf(trx: Transaction, { id, hostUrl, apiUrl, slug }: GithubApp): Promise<string> {
  const { web, appPathPrefix } = githubHost(hostUrl, apiUrl);
  const flow = await allConnectFlows(trx).findManifest(id);
  return appSettingsUrl({ web, appPathPrefix, slug, organization: flow?.accountLogin });
}
