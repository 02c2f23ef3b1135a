import { z } from 'zod';
import { longestTtlMs } from '../../broker/exchange/git-tokens.ts';
import { type Claim, CutOff, TooShortLived } from '../../broker/exchange/minter.ts';
import { type App, appsFor } from '../../db/builds/apps.ts';
import { type Build, buildsFor } from '../../db/builds/builds.ts';
import { type FoundIssuer, findIssuer, type Issuer } from '../../db/exchange/issuers.ts';
import type { LeaseScope } from '../../db/exchange/leases.ts';
import type { Project } from '../../db/people/projects.ts';
import type { Database, Db, Transaction } from '../../db/store/connection.ts';
import type { TenantScope } from '../../db/store/tenant.ts';
import { isFinalBuildStatus } from '../../domain/builds/build-status.ts';
import { purposes } from '../../domain/exchange/token-purposes.ts';
import { deletedIntegrationStatuses, usableIntegrationStatuses } from '../../domain/integrations/integration-status.ts';
import { registryHost } from '../../domain/registries/registry-hosts.ts';
import { registryPurposes } from '../../domain/registries/registry-purposes.ts';
import type { Caller } from '../http/caller.ts';
import { exampleId, id } from '../http/input.ts';
import { Outdated, Problem } from '../http/problems.ts';
import { chooseIntegration } from '../integrations/choose-integration.ts';
import { unusable } from '../integrations/unusable.ts';

export const formats = ['bearer', 'basic', 'env', 'docker_config'] as const;
export type Format = (typeof formats)[number];
export const longestTtlSeconds = longestTtlMs / 1000;

export const ExchangeBody = z
  .strictObject({
    purpose: z
      .enum([...purposes, ...registryPurposes])
      .describe(
        '`clone` reads repositories. `status` writes commit statuses and checks. `pull` and `push` are for images; `push` includes `pull`',
      ),
    integration_id: id('int')
      .optional()
      .describe('Required if several integrations match and you send neither an app nor a build'),
    host: z
      .string()
      .min(1)
      .max(300)
      .optional()
      .describe(
        'A host such as `github.com` or `ghcr.io`. You can send it instead of `integration_id` if the project has one integration for that host',
      ),
    app_id: id('app')
      .optional()
      .describe('The app. Fairlead uses its integration, and its repository unless you send `repositories`'),
    build_id: id('bld').optional().describe('The build, while it runs. Fairlead uses its repository'),
    repositories: z
      .array(z.string().min(1).max(300))
      .min(1)
      .max(100)
      .optional()
      .describe(
        'For a Git host, ids (`repo_…`) or names (`acme/shop`), also former names and the names of wikis. For a registry, names of images',
      ),
    min_ttl: z
      .int()
      .min(0)
      .max(42_900)
      .optional()
      .describe(
        `How many seconds the credential must stay valid. At most ${longestTtlSeconds} for GitHub, and at most 42900 for images if the registry allows it`,
      ),
    format: z
      .enum(formats)
      .optional()
      .describe('`bearer` if you omit it, or `basic` for images. `docker_config` is a complete config.json'),
  })
  .meta({
    id: 'NewCredentialExchange',
    examples: [
      { purpose: 'clone', app_id: exampleId('app'), min_ttl: 600 },
      { purpose: 'push', build_id: exampleId('bld'), format: 'docker_config' },
    ],
  });
export type ExchangeBody = z.output<typeof ExchangeBody>;
/** A request for a credential. */
export type ExchangeRequest = { tenant: TenantScope; caller: Caller; projectId: string; body: ExchangeBody };
/**
 * The app or build that gets the credential. Both are undefined if a project exchanges for itself. If `bound` is true,
 * the caller may use no other repository.
 */
export type Subject = { app?: App; build?: Build; bound: boolean };

/** Finds the app or build that the caller's token is narrowed to, or that the body names. */
export async function subjectOf(
  { reader }: Database,
  { tenant, caller, projectId, body }: ExchangeRequest,
): Promise<Subject> {
  const bound = caller.narrowedTo;
  const buildId = bound?.buildId ?? body.build_id;
  const appId = bound?.appId ?? body.app_id;
  // To a narrowed token, every other app and build looks absent, like another tenant's.
  const foreign = (body.build_id ?? buildId) !== buildId || (body.app_id ?? appId) !== appId;
  const build = buildId === undefined ? undefined : await buildsFor(reader, tenant).find(buildId);
  const isOurs = !build || (build.projectId === projectId && (appId ?? build.appId) === build.appId);
  if (foreign || !isOurs || (buildId !== undefined && !build)) throw new Problem('not_found');
  if (build) {
    if (isFinalBuildStatus(build.status))
      throw new Problem('invalid_transition', `The build has already ended with the status ${build.status}.`);
  }
  const subject = build?.appId ?? appId;
  if (subject === undefined) return { bound: false };
  const app = await appsFor(reader, tenant).find(subject);
  if (app?.projectId !== projectId) throw new Problem('not_found');
  return { app, ...(build && { build }), bound: bound !== undefined || build !== undefined };
}

type Choice = { projectId: string; kinds: readonly string[]; own: string | undefined; body: ExchangeBody };

/** Returns the app's or build's own integration, the one that the body names, or the only one that fits. */
export async function integrationFor(db: Db, { projectId, kinds, own, body }: Choice): Promise<string> {
  const { integration_id: named, host } = body;
  if (own !== undefined && named !== undefined && named !== own) {
    throw new Problem('repository_not_reachable', 'Omit `integration_id`: the app already has an integration.');
  }
  return (
    own ?? named ?? chooseIntegration(db, { projectId, kinds, host: host === undefined ? undefined : hostOf(host) })
  );
}

/** Refuses a connection to another host than the body names, even if it is the app's or build's own. */
export function requireHost({ host }: ExchangeBody, hostUrl: string): void {
  if (host === undefined) return;
  const own = new URL(hostUrl).host;
  if (hostOf(host) !== own) {
    throw new Problem('no_integration', `The integration is for ${own}. Send that host, or omit \`host\`.`);
  }
}

function hostOf(text: string): string {
  return registryHost(text)?.host ?? text.toLowerCase();
}

type Using = { projectId: string; chosen: string; kinds: readonly string[] };

/** Throws the integration's problem if the project may not use it now. */
export async function requireIssuer(db: Db, { projectId, chosen, kinds }: Using): Promise<FoundIssuer> {
  const found = await findIssuer(db, projectId, chosen);
  if (!found)
    throw new Problem('no_integration', 'The project cannot use this integration. Send another `integration_id`.');
  const { kind, status } = found;
  if (!kinds.includes(kind)) {
    throw new Problem(
      'provider_not_supported',
      `An integration of \`${kind}\` does not support this purpose. Choose another one.`,
    );
  }
  if (deletedIntegrationStatuses.includes(status)) {
    const part = kind === 'github' ? 'source' : 'registry';
    const advice = `Connect the account again, or give the app another ${part}: \`PUT /v1/apps/{app}/${part}\`.`;
    throw new Problem('integration_deleted', advice);
  }
  if (!usableIntegrationStatuses.includes(status)) throw await unusable(db, chosen);
  return found;
}

/** Throws the problem of an integration that was cut off after it was resolved, or `Outdated` if it is usable again. */
export async function refuseCutOff(db: Db, issuer: Issuer, kinds: readonly string[]): Promise<never> {
  await requireIssuer(db, { projectId: issuer.projectId, chosen: issuer.id, kinds });
  throw new Outdated('unavailable', 'The integration has just changed. Send the request again.');
}

/** Turns a failed mint into a problem. A cut-off integration is reported as such, and not by its provider's error. */
export function onCutOff(db: Db, issuer: Issuer, kinds: readonly string[]) {
  return async (error: unknown): Promise<never> => {
    if (error instanceof CutOff) return refuseCutOff(db, issuer, kinds);
    if (error instanceof TooShortLived) {
      throw new Problem(
        'min_ttl_too_long',
        'The provider does not issue such long-lived tokens. Send a shorter `min_ttl`.',
      );
    }
    throw error;
  };
}

/** A credential that was minted for a caller, who gets it with a lease: `claim` it in the transaction that issues one. */
export type MintedCredential = {
  project: Project;
  issuer: Issuer;
  /** The kinds of integrations that mint such a credential. */
  kinds: readonly string[];
  mintedTokenId: string;
  purpose: string;
  appId: string | null;
  buildId: string | null;
  expiresAt: number;
  scope: LeaseScope;
  /** The response's `effective_scope`. */
  effective: Record<string, unknown>;
  /** The secret members of the response, in the requested format. */
  members: Record<string, unknown>;
  claim(trx: Transaction): Promise<Claim>;
  discard(): Promise<void>;
};
