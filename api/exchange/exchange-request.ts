import { z } from 'zod';
import { longestTtlMs } from '../../broker/exchange/git-tokens.ts';
import { type Claim, CutOff, TooShortLived } from '../../broker/exchange/issuance.ts';
import { type App, appsFor } from '../../db/builds/apps.ts';
import { type Build, buildsFor } from '../../db/builds/builds.ts';
import type { Issuer } from '../../db/exchange/issuers.ts';
import { type FoundIssuer, findIssuer, isStillIssuer } from '../../db/exchange/issuers.ts';
import type { LeaseScope } from '../../db/exchange/leases.ts';
import type { Project } from '../../db/people/projects.ts';
import type { Database, Db, Transaction } from '../../db/store/connection.ts';
import type { TenantScope } from '../../db/store/tenant.ts';
import { isFinalBuildStatus } from '../../domain/builds/build-status.ts';
import { purposes } from '../../domain/exchange/token-purposes.ts';
import { usableIntegrationStatuses } from '../../domain/integrations/integration-status.ts';
import { registryHost } from '../../domain/registries/registry-hosts.ts';
import { registryPurposes } from '../../domain/registries/registry-purposes.ts';
import type { Caller } from '../http/caller.ts';
import { id } from '../http/input.ts';
import { Problem } from '../http/problems.ts';
import { chooseIntegration } from '../integrations/choose-integration.ts';

export const formats = ['bearer', 'basic', 'env', 'docker_config'] as const;
export type Format = (typeof formats)[number];
export const longestTtlSeconds = longestTtlMs / 1000;

export const ExchangeBody = z
  .strictObject({
    purpose: z
      .enum([...purposes, ...registryPurposes])
      .describe(
        '`clone` reads the contents of repositories; `status` writes commit statuses and checks; `pull` and `push` are for images, and who pushes may pull',
      ),
    integration_id: id('int').optional().describe('Where neither an app nor a build says it and several would fit'),
    host: z
      .string()
      .min(1)
      .max(300)
      .optional()
      .describe(
        '`github.com`, `ghcr.io`: instead of `integration_id`, where the project has one connection to that host',
      ),
    app_id: id('app').optional().describe('For this app: its integration, and its repository unless others are named'),
    build_id: id('bld').optional().describe('For this build: its repository, as long as it has not ended'),
    repositories: z
      .array(z.string().min(1).max(300))
      .min(1)
      .max(100)
      .optional()
      .describe('Of a Git host by id (`repo_…`) or name (`acme/shop`); of a registry by the name of the image'),
    min_ttl: z
      .int()
      .min(0)
      .max(42_900)
      .optional()
      .describe(
        `Seconds that it must be good for; of GitHub ${longestTtlSeconds} at most, for images 42900, where the registry gives so much`,
      ),
    format: z
      .enum(formats)
      .optional()
      .describe('`bearer` unless given, for images `basic`; `docker_config` is a whole config.json'),
  })
  .meta({ id: 'NewCredentialExchange' });
export type ExchangeBody = z.output<typeof ExchangeBody>;
export type Asked = { tenant: TenantScope; caller: Caller; projectId: string; body: ExchangeBody };
/** Whom it is for, and which repositories that may be; none of the two where a project asks for itself. */
export type Subject = { app?: App; build?: Build; bound: boolean };

/** The app or build it is for: the one that the token is narrowed to, or the one that the body names. */
export async function subjectOf({ reader }: Database, { tenant, caller, projectId, body }: Asked): Promise<Subject> {
  const bound = caller.narrowedTo;
  const buildId = bound?.buildId ?? body.build_id;
  const appId = bound?.appId ?? body.app_id;
  // Whatever is not the token's own is as absent as another tenant's.
  const foreign = (body.build_id ?? buildId) !== buildId || (body.app_id ?? appId) !== appId;
  const build = buildId === undefined ? undefined : await buildsFor(reader, tenant).find(buildId);
  const isOurs = !build || (build.projectId === projectId && (appId ?? build.appId) === build.appId);
  if (foreign || !isOurs || (buildId !== undefined && !build)) throw new Problem('not_found');
  if (build) {
    if (isFinalBuildStatus(build.status)) throw new Problem('invalid_transition', `The build is ${build.status}.`);
  }
  const subject = build?.appId ?? appId;
  if (subject === undefined) return { bound: false };
  const app = await appsFor(reader, tenant).find(subject);
  if (app?.projectId !== projectId) throw new Problem('not_found');
  return { app, ...(build && { build }), bound: bound !== undefined || build !== undefined };
}

type Choice = { projectId: string; kinds: readonly string[]; own: string | undefined; body: ExchangeBody };

/** The app's or build's own, the one that the body names, or the only one of the project that fits. */
export async function integrationFor(db: Db, { projectId, kinds, own, body }: Choice): Promise<string> {
  const { integration_id: named, host } = body;
  if (own !== undefined && named !== undefined && named !== own) {
    throw new Problem('repository_not_reachable', 'Leave `integration_id` out: the app has an integration already.');
  }
  return (
    own ?? named ?? chooseIntegration(db, { projectId, kinds, host: host === undefined ? undefined : hostOf(host) })
  );
}

/** Whoever names a host is given nothing of another one, also where an app or a build has its own connection. */
export function requireHost({ host }: ExchangeBody, hostUrl: string): void {
  if (host === undefined) return;
  const own = new URL(hostUrl).host;
  if (hostOf(host) !== own) {
    throw new Problem('no_integration', `This connection is to ${own}, and to no other host.`);
  }
}

function hostOf(text: string): string {
  return registryHost(text)?.host ?? text.toLowerCase();
}

type Using = { projectId: string; chosen: string; kinds: readonly string[] };

/** Throws the problem that the integration has, if the project may not use it now. */
export async function requireIssuer(db: Db, { projectId, chosen, kinds }: Using): Promise<FoundIssuer> {
  const found = await findIssuer(db, projectId, chosen);
  if (!found) throw new Problem('integration_missing', 'The project has no such integration: name another.');
  const { kind, status } = found;
  if (!kinds.includes(kind)) {
    throw new Problem('provider_not_supported', `An integration with ${kind} gives nothing for this purpose.`);
  }
  if (status === 'deleting' || status === 'deleted') {
    const part = kind === 'github' ? 'source' : 'registry';
    const advice = `Connect it again, or give the app another ${part}: \`PUT /v1/apps/{app}/${part}\`.`;
    throw new Problem('integration_deleted', advice);
  }
  if (!usableIntegrationStatuses.includes(status)) {
    throw new Problem('integration_unusable', `The integration is ${status}.`, {
      members: { integration_id: chosen, integration_status: status },
    });
  }
  return found;
}

/** It was cut off after it had been looked at: whatever is true of it now. */
export async function refuseCutOff(db: Db, issuer: Issuer, kinds: readonly string[]): Promise<never> {
  await requireIssuer(db, { projectId: issuer.projectId, chosen: issuer.id, kinds });
  throw new Problem('unavailable', 'The integration was changed meanwhile: ask again.');
}

/** What to answer where nothing could be given out: of one that was cut off, that, and not what its provider made of it. */
export function onCutOff(db: Db, issuer: Issuer, kinds: readonly string[]) {
  return async (error: unknown): Promise<never> => {
    if (error instanceof CutOff) return refuseCutOff(db, issuer, kinds);
    if (error instanceof TooShortLived) {
      throw new Problem('min_ttl_too_long', 'The provider gives none that lives so long.');
    }
    if (error instanceof Problem && !(await isStillIssuer(db, issuer))) return refuseCutOff(db, issuer, kinds);
    throw error;
  };
}

/** What is at hand for a caller, and is theirs once it is claimed in the transaction that says so. */
export type ReadyCredential = {
  project: Project;
  issuer: Issuer;
  /** The kinds of integrations that could have given it. */
  kinds: readonly string[];
  mintedTokenId: string;
  purpose: string;
  appId: string | null;
  buildId: string | null;
  expiresAt: number;
  scope: LeaseScope;
  /** What the answer says of it beside that. */
  effective: Record<string, unknown>;
  /** The secret, in the form that was asked for. */
  members: Record<string, unknown>;
  claim(trx: Transaction): Promise<Claim>;
  discard(): Promise<void>;
};
