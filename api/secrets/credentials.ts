import { z } from 'zod';
import { githubAppsIn } from '../../db/github/github-apps.ts';
import { type Credential, type CredentialVersion, credentialsIn } from '../../db/secrets/credentials.ts';
import { githubAppSecrets } from '../../db/secrets/github-app-secrets.ts';
import { rotationsIn } from '../../db/secrets/rotations.ts';
import { ifReadable } from '../../db/secrets/sealed-secrets.ts';
import type { Db } from '../../db/store/connection.ts';
import { credentialStatuses } from '../../domain/secrets/credential-status.ts';
import { keyFingerprint } from '../../domain/secrets/key-fingerprint.ts';
import { rotationPhases } from '../../domain/secrets/rotation-phase.ts';
import type { ApiDeps } from '../http/deps.ts';
import { type Endpoint, endpoint } from '../http/endpoint.ts';
import { epochSeconds, id, toSeconds } from '../http/input.ts';
import { findIntegration } from '../integrations/integrations.ts';

const VersionView = z
  .object({
    version: z.int(),
    status: z.enum(credentialStatuses),
    fingerprint: z
      .string()
      .nullable()
      .describe('For a private key: the base64 SHA-256 of the public key (SPKI, DER), as in the settings on GitHub'),
    created_at: epochSeconds,
    updated_at: epochSeconds,
  })
  .meta({ id: 'CredentialVersion' });

const CredentialView = z
  .object({
    id: z.string(),
    kind: z.string(),
    versions: z.array(VersionView).describe('The versions, newest first. The secret of a purged version is deleted'),
    rotation: z
      .object({
        id: z.string(),
        operation_id: z.string(),
        mode: z.enum(['auto', 'assisted']),
        phase: z.enum(rotationPhases),
        new_version: z.int(),
        old_version: z.int(),
        started_at: epochSeconds,
      })
      .nullable()
      .describe('The rotation that is in progress'),
    created_at: epochSeconds,
    updated_at: epochSeconds,
  })
  .meta({ id: 'Credential' });

export function credentialRoutes({ database, keyring }: Pick<ApiDeps, 'database' | 'keyring'>): Endpoint[] {
  /** Returns the fingerprint of a private key. The opened secret itself does not leave this function. */
  async function fingerprintOf(db: Db, { id, kind }: Credential, { version, status }: CredentialVersion) {
    if (kind !== 'private_key' || status === 'purged') return null;
    const secret = await ifReadable(githubAppSecrets(db, keyring).secretOf(id, version));
    return (secret && keyFingerprint(secret)) || null;
  }

  async function view(db: Db, credential: Credential): Promise<z.input<typeof CredentialView>> {
    const versions = await credentialsIn(db).versions(credential.id);
    const rotation = await rotationsIn(db).findOpen(credential.id);
    return {
      id: credential.id,
      kind: credential.kind,
      versions: await Promise.all(
        versions.map(async (one) => ({
          version: one.version,
          status: one.status,
          fingerprint: await fingerprintOf(db, credential, one),
          created_at: toSeconds(one.createdAt),
          updated_at: toSeconds(one.updatedAt),
        })),
      ),
      rotation: rotation
        ? {
            id: rotation.id,
            operation_id: rotation.operationId,
            mode: rotation.mode,
            phase: rotation.phase,
            new_version: rotation.newVersion,
            old_version: rotation.oldVersion,
            started_at: toSeconds(rotation.startedAt),
          }
        : null,
      created_at: toSeconds(credential.createdAt),
      updated_at: toSeconds(credential.updatedAt),
    };
  }

  return [
    endpoint({
      method: 'get',
      path: '/v1/integrations/{integration}/credentials',
      operationId: 'listCredentials',
      tag: 'credentials',
      summary: 'List the credentials of an integration',
      description:
        'Returns kinds, versions and statuses without secrets. Only the operator can see the credentials of the operator’s GitHub App.',
      access: 'integrations:read',
      params: z.strictObject({ integration: id('int') }),
      success: { status: 200, body: z.array(CredentialView) },
      problems: ['not_found'],
      async read({ tenant, caller, params }) {
        const db = database.reader;
        const { id, githubAppId } = await findIntegration(db, tenant, params.integration);
        const app = githubAppId ? await githubAppsIn(db).find(githubAppId) : undefined;
        if (app?.orgId === null && !caller.ops) return [];
        const credentials = await credentialsIn(db).listOf(app ? { github_app_id: app.id } : { integration_id: id });
        return Promise.all(credentials.map((credential) => view(db, credential)));
      },
    }),
  ];
}
