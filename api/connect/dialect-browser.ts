import { z } from 'zod';
import type { ApiDeps } from '../http/deps.ts';
import { type Endpoint, endpoint } from '../http/endpoint.ts';
import { forbiddenPage, shownPage } from '../http/html-page.ts';
import { id } from '../http/input.ts';
import { dialectTag } from '../integrations/dialect-view.ts';
import { githubBrowserHandlers, type githubBrowserRoutes } from './github-browser.ts';

const Install = z.strictObject({
  ticket: z.string().optional(),
  projectId: id('prj').optional(),
  orgId: id('org').optional(),
  redirectUrl: z.string().optional(),
});

/** The browser routes in the dialect of `/api/integrations`. They call the handlers of `/v1`. */
export function dialectBrowserRoutes(deps: ApiDeps, v1: ReturnType<typeof githubBrowserRoutes>): Endpoint[] {
  const { install, landed } = githubBrowserHandlers(deps);
  return [
    endpoint({
      method: 'get',
      path: '/api/integrations/github/install',
      operationId: 'getGithubInstallInDialect',
      tag: dialectTag,
      summary: 'Install the operator’s GitHub App',
      description: v1.install.description ?? '',
      access: 'public',
      query: Install,
      success: v1.install.success,
      others: [
        { status: 200, body: z.object({ url: z.string() }), description: 'With a Bearer token' },
        shownPage,
        forbiddenPage,
      ],
      page: true,
      problems: v1.install.problems ?? [],
      async raw(ctx, tools) {
        const { ticket, projectId, orgId, redirectUrl, ...others } = ctx.query;
        const asked = { ...others, ticket, project_id: projectId, org_id: orgId, redirect_url: redirectUrl };
        ctx.query = Object.fromEntries(
          Object.entries(asked).filter(([, value]) => value !== undefined),
        ) as typeof ctx.query;
        await install(ctx, tools);
        if (ctx.status === 200 && ctx.type === 'application/json') {
          const { url } = JSON.parse(String(ctx.body)) as { url: string };
          ctx.body = JSON.stringify({ url });
          ctx.type = 'application/json';
        }
      },
    }),
    endpoint({
      method: 'get',
      path: '/api/integrations/github/callback',
      operationId: 'getGithubCallbackInDialect',
      tag: dialectTag,
      summary: 'Receive the redirect for the operator’s GitHub App',
      description: v1.callback.description ?? '',
      access: 'public',
      ...(v1.callback.query && { query: v1.callback.query }),
      success: v1.callback.success,
      others: v1.callback.others ?? [],
      page: true,
      problems: v1.callback.problems ?? [],
      // A landing without a code is the same for every App. A code belongs to the operator's App only.
      raw: (ctx) => landed(ctx, ctx.query['code'] === undefined ? 'any' : undefined),
    }),
  ];
}
