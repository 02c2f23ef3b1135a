import Koa, { type Middleware } from 'koa';
import { createAuthenticate } from './authenticate.ts';
import type { ApiDeps } from './deps.ts';
import type { Endpoint } from './endpoint.ts';
import { mount } from './mount.ts';
import { requestFrame } from './request-frame.ts';
import { appRegistryRoutes } from './routes/app-registry.ts';
import { appRoutes } from './routes/apps.ts';
import { auditRoutes } from './routes/audit.ts';
import { buildTokenRoutes } from './routes/build-tokens.ts';
import { buildRoutes } from './routes/builds.ts';
import { cloudAccountRoutes } from './routes/cloud-accounts.ts';
import { credentialRotationRoutes } from './routes/credential-rotation.ts';
import { credentialRoutes } from './routes/credentials.ts';
import { deliveryRoutes } from './routes/deliveries.ts';
import { dialectRoutes } from './routes/dialect.ts';
import { docsRoutes } from './routes/docs.ts';
import { exchangeRoutes } from './routes/exchange.ts';
import { flowRoutes } from './routes/flows.ts';
import { githubBrowserRoutes } from './routes/github-browser.ts';
import { githubImportRoutes } from './routes/github-import.ts';
import { githubStartRoutes } from './routes/github-start.ts';
import { googleConsentRoutes } from './routes/google-consent.ts';
import { grantRoutes } from './routes/grants.ts';
import { healthRoutes } from './routes/health.ts';
import { incidentRoutes } from './routes/incidents.ts';
import { installationRoutes } from './routes/installations.ts';
import { integrationDeleteRoutes } from './routes/integration-delete.ts';
import { integrationUpdateRoutes } from './routes/integration-update.ts';
import { integrationVerifyRoutes } from './routes/integration-verify.ts';
import { integrationRoutes } from './routes/integrations.ts';
import { leaseRoutes } from './routes/leases.ts';
import { meRoutes } from './routes/me.ts';
import { oidcIssuerRoutes } from './routes/oidc-issuer.ts';
import { operationRoutes } from './routes/operations.ts';
import { orgRoutes } from './routes/orgs.ts';
import { pipelineCheckRoutes } from './routes/pipeline-check.ts';
import { pipelineRoutes } from './routes/pipelines.ts';
import { projectRoutes } from './routes/projects.ts';
import { recoverRoutes } from './routes/recover.ts';
import { repositoryRoutes } from './routes/repositories.ts';
import { serviceRoutes } from './routes/service.ts';
import { sessionRoutes } from './routes/sessions.ts';
import { signInRoutes } from './routes/sign-in.ts';
import { tokenRoutes } from './routes/tokens.ts';
import { webhookRoutes } from './routes/webhooks.ts';

/** Every operation of the API. */
export function endpointsOf(deps: ApiDeps): Endpoint[] {
  const all: Endpoint[] = [
    ...githubStartRoutes(deps),
    ...githubImportRoutes(deps),
    ...githubBrowserRoutes(deps),
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
    ...meRoutes(),
    ...sessionRoutes(deps),
    ...signInRoutes(deps),
    ...tokenRoutes(deps),
    ...auditRoutes(deps),
    ...incidentRoutes(deps),
    ...operationRoutes(deps),
    ...oidcIssuerRoutes(deps),
    ...serviceRoutes(deps),
    ...docsRoutes(() => all),
  ];
  all.push(...dialectRoutes(deps, all));
  return all;
}

/** The HTTP application; `extra` endpoints are for tests that need a wrong one. */
export function createApp(deps: ApiDeps, extra: Endpoint[] = []): Koa {
  const { database, adminToken, links, limiter } = deps;
  const authenticate = createAuthenticate({ database, adminToken, publicUrl: links.publicUrl, limiter });
  const app = new Koa();
  app.proxy = deps.trustProxy;
  // The address that our own proxy saw: those before it in X-Forwarded-For are whatever the caller wrote there.
  app.maxIpsCount = 1;
  app.silent = true;
  app.use(requestFrame(deps));
  app.use(cors(deps.corsOrigins));
  for (const middleware of mount([...endpointsOf(deps), ...extra], { database, authenticate, links, limiter })) {
    app.use(middleware);
  }
  return app;
}

/** For the origins that the operator names, and never for webhooks, which no browser sends. */
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
