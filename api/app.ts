import Koa, { type Middleware } from 'koa';
import type { Registry } from 'prom-client';
import type { Brokers } from '../broker/open-broker.ts';
import type { Config } from '../config.ts';
import type { Store } from '../db/store/open-store.ts';
import { webhookAddress } from '../domain/deliveries/webhook-address.ts';
import type { Logger } from '../log.ts';
import { appRegistryRoutes } from './builds/app-registry.ts';
import { appRoutes } from './builds/apps.ts';
import { buildRoutes } from './builds/builds.ts';
import { pipelineCheckRoutes } from './builds/pipeline-check.ts';
import { pipelineRoutes } from './builds/pipelines.ts';
import { cloudAccountRoutes } from './clouds/cloud-accounts.ts';
import { googleConsentRoutes } from './clouds/google-consent.ts';
import { oidcIssuerRoutes } from './clouds/oidc-issuer.ts';
import { dialectBrowserRoutes } from './connect/dialect-browser.ts';
import { flowRoutes } from './connect/flows.ts';
import { githubBrowserRoutes } from './connect/github-browser.ts';
import { githubImportRoutes } from './connect/github-import.ts';
import { githubStartRoutes } from './connect/github-start.ts';
import { dialectDeleteRoutes, integrationDeleteRoutes } from './deletion/integration-delete.ts';
import { orgDeleteRoutes } from './deletion/org-delete.ts';
import { projectDeleteRoutes } from './deletion/project-delete.ts';
import { deliveryRoutes } from './deliveries/deliveries.ts';
import { createIntake } from './deliveries/intake.ts';
import { recoverRoutes } from './deliveries/recover.ts';
import { createHookKeys } from './deliveries/webhook-keys.ts';
import { webhookRoutes } from './deliveries/webhooks.ts';
import { buildTokenRoutes } from './exchange/build-tokens.ts';
import { exchangeRoutes } from './exchange/exchange.ts';
import { leaseRoutes } from './exchange/leases.ts';
import { installationRoutes } from './github/installations.ts';
import { repositoryRoutes } from './github/repositories.ts';
import { createAuthenticate } from './http/authenticate.ts';
import type { ApiDeps } from './http/deps.ts';
import type { Endpoint } from './http/endpoint.ts';
import type { Listening } from './http/listen.ts';
import { mount } from './http/mount.ts';
import { createRateLimiter } from './http/rate-limit.ts';
import { requestFrame } from './http/request-frame.ts';
import { dialectRoutes } from './integrations/dialect.ts';
import { grantRoutes } from './integrations/grants.ts';
import { healthRoutes } from './integrations/health.ts';
import { integrationUpdateRoutes } from './integrations/integration-update.ts';
import { integrationVerifyRoutes } from './integrations/integration-verify.ts';
import { integrationRoutes } from './integrations/integrations.ts';
import { openApiDocument } from './openapi.ts';
import { auditRoutes } from './ops/audit.ts';
import { docsRoutes } from './ops/docs.ts';
import { homeRoutes } from './ops/home.ts';
import { incidentRoutes } from './ops/incidents.ts';
import { operationRoutes } from './ops/operations.ts';
import { meRoutes } from './people/me.ts';
import { orgRoutes } from './people/orgs.ts';
import { projectRoutes } from './people/projects.ts';
import { sessionRoutes } from './people/sessions.ts';
import { signInRoutes } from './people/sign-in.ts';
import { tokenRoutes } from './people/tokens.ts';
import { credentialRotationRoutes } from './secrets/credential-rotation.ts';
import { credentialRoutes } from './secrets/credentials.ts';
import { serviceRoutes } from './service.ts';

/** Returns every operation of the API. */
export function endpointsOf(deps: ApiDeps): Endpoint[] {
  const githubBrowser = githubBrowserRoutes(deps);
  const all: Endpoint[] = [
    ...githubStartRoutes(deps),
    ...githubImportRoutes(deps),
    ...Object.values(githubBrowser),
    ...flowRoutes(deps),
    ...integrationRoutes(deps),
    ...integrationDeleteRoutes(deps),
    ...grantRoutes(deps),
    ...integrationUpdateRoutes(deps),
    ...integrationVerifyRoutes(),
    ...credentialRoutes(deps),
    ...credentialRotationRoutes(deps),
    ...installationRoutes(deps),
    ...repositoryRoutes(deps),
    ...recoverRoutes(),
    ...webhookRoutes(deps),
    ...projectRoutes(deps),
    ...projectDeleteRoutes(),
    ...appRoutes(deps),
    ...appRegistryRoutes(),
    ...healthRoutes(deps),
    ...pipelineRoutes(deps),
    ...pipelineCheckRoutes(deps),
    ...buildRoutes(deps),
    ...buildTokenRoutes(),
    ...exchangeRoutes(deps),
    ...leaseRoutes(deps),
    ...googleConsentRoutes(deps),
    ...cloudAccountRoutes(deps),
    ...deliveryRoutes(deps),
    ...orgRoutes(deps),
    ...orgDeleteRoutes(),
    ...meRoutes(),
    ...sessionRoutes(deps),
    ...signInRoutes(deps),
    ...tokenRoutes(deps),
    ...auditRoutes(deps),
    ...incidentRoutes(deps),
    ...operationRoutes(deps),
    ...oidcIssuerRoutes(deps),
    ...serviceRoutes(deps),
    ...homeRoutes(),
    ...docsRoutes(() => openApiDocument(all)),
    ...dialectRoutes(deps),
    ...dialectDeleteRoutes(),
    ...dialectBrowserRoutes(deps, githubBrowser),
  ];
  return all;
}

/** Creates the HTTP application. Tests pass `extra` endpoints that are wrong on purpose. */
export function createApp(deps: ApiDeps, extra: Endpoint[] = []): Koa {
  const { database, adminToken, links, limiter } = deps;
  const authenticate = createAuthenticate({ database, adminToken, publicUrl: links.publicUrl, limiter });
  const app = new Koa();
  app.proxy = deps.trustProxy;
  // Trust only the address that our own proxy saw. A caller can forge the earlier addresses in X-Forwarded-For.
  app.maxIpsCount = 1;
  app.silent = true;
  app.use(requestFrame(deps));
  app.use(cors(deps.corsOrigins));
  for (const middleware of mount([...endpointsOf(deps), ...extra], { database, authenticate, links, limiter })) {
    app.use(middleware);
  }
  return app;
}

/** Allows the origins that the operator configured. Never applies to webhooks, because no browser sends them. */
function cors(origins: string[]): Middleware {
  return async (ctx, next) => {
    const origin = ctx.get('origin');
    const applies =
      /^\/(?:v1|api)\//.test(ctx.path) && !ctx.path.startsWith('/v1/webhooks/') && origins.includes(origin);
    if (applies) {
      ctx.vary('origin');
      ctx.set({
        'access-control-allow-origin': origin,
        'access-control-allow-credentials': 'true',
        'access-control-expose-headers': 'ETag, Link, X-Request-Id',
      });
      if (ctx.method === 'OPTIONS') {
        ctx.set({
          'access-control-allow-methods': 'GET, POST, PUT, PATCH, DELETE',
          'access-control-allow-headers':
            'authorization, content-type, idempotency-key, if-match, prefer, x-csrf-token',
          'access-control-max-age': '600',
        });
        ctx.status = 204;
        return;
      }
    }
    await next();
  };
}

/**
 * Serves the API on a port that is already bound. `stop` finishes the requests in flight and loses nothing that was
 * acknowledged.
 */
export function runApi(options: {
  config: Config;
  store: Store;
  brokers: Brokers;
  listening: Listening;
  temporalUiUrl?: string | undefined;
  logger: Logger;
  registry: Registry;
}): { stop(): Promise<void> } {
  const { config, store, brokers, listening, logger, registry } = options;
  const { database, keyring } = store;
  const intake = createIntake({ database, hookKeys: createHookKeys({ database, keyring }), logger, registry });
  const app = createApp({
    database,
    keyring,
    ...brokers,
    connect: {
      defaultHost: config.githubHost,
      allowedHosts: config.allowedHosts,
      redirectOrigins: config.corsOrigins,
      webhookUrlFor: (githubAppId) => webhookAddress({ ...config.webhooks, publicUrl: config.publicUrl }, githubAppId),
    },
    intake,
    logger,
    registry,
    links: {
      publicUrl: config.publicUrl,
      temporalUiUrl: options.temporalUiUrl ?? config.temporal.uiUrl,
      namespace: config.temporal.namespace,
    },
    adminToken: config.adminToken,
    corsOrigins: config.corsOrigins,
    trustProxy: config.trustProxy,
    limiter: createRateLimiter(config.rateLimits, registry),
  });
  listening.serve(app.callback());
  return {
    async stop() {
      await listening.stop(config.shutdownMs);
      await intake.drain();
    },
  };
}
