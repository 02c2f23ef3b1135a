import type {
  ImageCredential,
  ImageCredentials,
  WantedImageCredential,
} from '../../broker/exchange/image-credentials.ts';
import type { FoundIssuer } from '../../db/exchange/issuers.ts';
import { type Project, projectsFor } from '../../db/people/projects.ts';
import type { Database } from '../../db/store/connection.ts';
import { unvouchedFor } from '../../domain/exchange/token-purposes.ts';
import { imageRepository, repositoryNameAdvice } from '../../domain/registries/image-repository.ts';
import { registryKinds as kinds, type RegistryHost, registryHost } from '../../domain/registries/registry-hosts.ts';
import type { RegistryPurpose } from '../../domain/registries/registry-purposes.ts';
import { purposesOf, type RegistrySettings } from '../../domain/registries/registry-settings.ts';
import { askProvider } from '../http/ask-provider.ts';
import { Problem, required } from '../http/problems.ts';
import {
  type ExchangeRequest,
  type Format,
  integrationFor,
  type MintedCredential,
  onCutOff,
  requireHost,
  requireIssuer,
  subjectOf,
} from './exchange-request.ts';

type Deps = { database: Database; imageCredentials: ImageCredentials };

/** Exchanges for a credential for images in a registry. */
export async function exchangeImageCredential(
  deps: Deps,
  request: ExchangeRequest,
  purpose: RegistryPurpose,
): Promise<MintedCredential> {
  const resolved = await resolve(deps, request, purpose);
  const minted = await mint(deps, resolved);
  const { project, wanted, format, appId } = resolved;
  const { host, effective, isStatic, expiresAt } = minted;
  const { repositories, actions, narrowedTo, note } = effective;
  return {
    project,
    issuer: wanted.issuer,
    kinds,
    mintedTokenId: minted.id,
    purpose,
    appId,
    buildId: wanted.buildId,
    expiresAt,
    scope: {
      repositories: repositories === '*' ? ['*'] : repositories,
      permissions: { images: actions.join(',') },
      ...(narrowedTo !== 'repository' && { narrowed: narrowedTo }),
    },
    effective: { host, repositories, actions, narrowed_to: narrowedTo, static: isStatic, note: note ?? null },
    members: formatCredential(format, minted),
    claim: (trx) => deps.imageCredentials.claim(trx, wanted, minted),
    discard: () => deps.imageCredentials.discard(minted),
  };
}

/** The credential that the broker mints, and the facts that the lease stores. */
type Resolved = {
  project: Project;
  wanted: WantedImageCredential;
  appId: string | null;
  format: Format;
  /** The build runs unapproved code. */
  unvouched: boolean;
};

/** Decides from the database alone what the caller may have. */
async function resolve({ database }: Deps, request: ExchangeRequest, purpose: RegistryPurpose): Promise<Resolved> {
  const { tenant, projectId, body } = request;
  const project = required(await projectsFor(database.reader, tenant).find(projectId));
  const { app, build, bound } = await subjectOf(database, request);
  if (app && !app.registry && (bound || !(body.integration_id ?? body.host))) {
    throw new Problem('registry_missing', 'Set the registry of the app first: `PUT /v1/apps/{app}/registry`.');
  }
  // A caller may name another registry for an app. A build and an app's own token may not.
  const own = bound || !(body.integration_id ?? body.host) ? app?.registry : undefined;
  const choice = { projectId: project.id, kinds, own: own?.integrationId, body };
  const chosen = await integrationFor(database.reader, choice);
  const { issuer, hostUrl, cloud, kind, settings } = await requireIssuer(database.reader, {
    projectId: project.id,
    chosen,
    kinds,
  });
  requireHost(body, hostUrl);
  requireVerified(cloud);
  const { registry, repositories: usual = [] } = settings as RegistrySettings;
  if (!purposesOf(settings as RegistrySettings).includes(purpose)) {
    throw new Problem(
      'permission_missing',
      `The registry is not used to ${purpose}. Add that to its \`purposes\`: \`PATCH /v1/integrations/{integration}\`.`,
    );
  }
  const host = registryHost(registry);
  if (!host)
    throw new Problem(
      'integration_unusable',
      'The address of the registry is no longer valid. Connect the registry again.',
    );
  const image = app?.registry?.integrationId === chosen ? app.registry.imageRepository : undefined;
  const named = body.repositories?.map((one) => requireName(host, one));
  const beyond = bound ? named?.find((one) => one !== own?.imageRepository) : undefined;
  if (beyond)
    throw new Problem(
      'repository_not_reachable',
      `${beyond} is not the image repository of the app. Omit \`repositories\`, or use another app.`,
    );
  const format = body.format ?? 'basic';
  if (format === 'bearer' && kind === 'ecr') {
    throw new Problem('invalid_request', 'ECR needs a user name and a password. Use the format `basic`.');
  }
  const repositories = named ?? (image === undefined ? usual : [image]);
  // Google's tokens reach everything that the account reaches. Every other service mints one for named repositories.
  if (format === 'bearer' && kind !== 'gar' && repositories.length === 0) {
    throw new Problem('invalid_request', 'Send `repositories`: a token is limited to the repositories that you name.', {
      errors: [{ path: 'body.repositories', message: 'is required for the format `bearer`' }],
    });
  }
  const unvouched = unvouchedFor(build) !== undefined;
  if (unvouched && purpose === 'push') {
    throw new Problem('build_not_vouched', 'A blocked build or a build of a fork cannot push images.');
  }
  return {
    project,
    wanted: {
      issuer,
      orgId: project.orgId,
      buildId: build?.id ?? null,
      repositories,
      purpose,
      bearer: format === 'bearer',
      cloud: cloud && { id: cloud.id, epoch: cloud.epoch },
      alone: unvouched,
      ...(body.min_ttl !== undefined && { minTtlMs: body.min_ttl * 1000 }),
    },
    appId: app?.id ?? null,
    format,
    unvouched,
  };
}

async function mint({ database, imageCredentials }: Deps, resolved: Resolved) {
  const { wanted, unvouched } = resolved;
  const minted = await askProvider(() => imageCredentials.mint(wanted), 'registry').catch(
    onCutOff(database.reader, wanted.issuer, kinds),
  );
  if (unvouched) refuseTooMuch(minted);
  return minted;
}

/** Prevents unapproved code from getting a credential that reaches more than the one image, or that pushes. */
function refuseTooMuch({ effective }: ImageCredential): void {
  if (effective.narrowedTo === 'repository' && !effective.actions.includes('push')) return;
  throw new Problem(
    'build_not_vouched',
    'A blocked build or a build of a fork can pull only if the registry can limit a credential to this image.',
  );
}

/** Prints the credential in the requested format. Every member is secret, or says how to use a secret one. */
function formatCredential(format: Format, { host, username, token }: ImageCredential): Record<string, unknown> {
  if (format === 'bearer') return { token };
  if (format === 'basic') return { username, password: token };
  const config = { auths: { [configKey(host)]: { auth: Buffer.from(`${username}:${token}`).toString('base64') } } };
  if (format === 'docker_config') return { docker_config: config };
  return {
    env: {
      REGISTRY_HOST: host,
      REGISTRY_USERNAME: username,
      REGISTRY_PASSWORD: token,
      DOCKER_AUTH_CONFIG: JSON.stringify(config),
    },
  };
}

/** Docker keeps the login of its own registry under another address. */
function configKey(host: string): string {
  return host === 'docker.io' ? 'https://index.docker.io/v1/' : host;
}

/** Refuses a cloud account that the cloud has not confirmed, or no longer confirms. */
function requireVerified(cloud: FoundIssuer['cloud']): void {
  if (!cloud || cloud.status === 'active') return;
  const detail = `The cloud account has the status ${cloud.status}. Verify it: \`POST /v1/cloud-accounts/${cloud.id}/verify\`.`;
  throw new Problem('integration_unusable', detail, {
    members: { cloud_account_id: cloud.id, cloud_account_status: cloud.status },
  });
}

function requireName(host: RegistryHost, text: string): string {
  const name = imageRepository(host, text);
  if (name !== undefined) return name;
  const message = repositoryNameAdvice(host, text);
  throw new Problem('invalid_request', `body.repositories: a name ${message}`, {
    errors: [{ path: 'body.repositories', message }],
  });
}
