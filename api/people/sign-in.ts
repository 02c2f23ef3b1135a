import type { Context } from 'koa';
import { z } from 'zod';
import { cookieHeader, sessionCookie } from '../http/authenticate.ts';
import type { ApiDeps } from '../http/deps.ts';
import { type Endpoint, endpoint } from '../http/endpoint.ts';
import { comesFromElsewhere, type Html, html, shownPage, showPage } from '../http/html-page.ts';
import { toSeconds } from '../http/input.ts';
import { Problem } from '../http/problems.ts';
import { readBytes } from '../http/read-body.ts';
import type { FrameState } from '../http/request-frame.ts';
import { requireCode, signIn } from './sessions.ts';

/**
 * The sign-in page. Opening it does not use up the link, because mail scanners and previews open links too. The person
 * presses a button, which needs no script.
 */
export function signInRoutes({ database, links }: Pick<ApiDeps, 'database' | 'links'>): Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: '/sign-in',
      operationId: 'getSignIn',
      tag: 'people',
      summary: 'Show the sign-in page',
      access: 'public',
      query: z.looseObject({ code: z.string().max(200).optional() }),
      success: shownPage,
      page: true,
      async raw(ctx) {
        const code = String(ctx.query['code'] ?? '');
        if (!isCode(code))
          return show(ctx, 400, 'Incomplete link', html`<p>Open the whole link that Fairlead printed at startup.</p>`);
        show(
          ctx,
          200,
          'Sign in to Fairlead',
          html`<form method="post" action="/sign-in"><input type="hidden" name="code" value="${code}"><button>Sign in</button></form>`,
        );
      },
    }),
    endpoint({
      method: 'post',
      path: '/sign-in',
      operationId: 'postSignIn',
      tag: 'people',
      summary: 'Sign in with a one-time link',
      access: 'public',
      form: z.strictObject({ code: z.string().max(200) }),
      success: shownPage,
      page: true,
      problems: ['sign_in_code_invalid', 'csrf_rejected'],
      async raw(ctx) {
        if (comesFromElsewhere(ctx)) {
          return show(ctx, 403, 'Request from another site', html`<p>Open the link again and press its button.</p>`);
        }
        const code = new URLSearchParams((await readBytes(ctx.req)).toString('utf8')).get('code') ?? '';
        const requestId = (ctx.state as FrameState).requestId;
        try {
          await requireCode(database.reader, code);
          const { session, user } = await database.write((trx) => signIn(trx, code, { ip: ctx.ip, requestId }));
          const seconds = toSeconds(session.expiresAt - Date.now());
          ctx.set('set-cookie', cookieHeader(sessionCookie, session.token, seconds, links.publicUrl));
          show(ctx, 200, `Signed in as ${user.name}`, next);
        } catch (error) {
          if (!(error instanceof Problem)) throw error;
          show(ctx, 401, 'Used or expired link', html`<p>Start Fairlead again. It prints a new link.</p>`);
        }
      },
    }),
  ];
}

const next = html`<ul>
<li><a href="/docs">Read the API reference</a>.</li>
<li><a href="/v1/me">See your permissions</a>. The response also has your organization’s id and the <code>csrf_token</code> that changes require.</li>
<li>For scripts, create a token: <code>POST /v1/tokens</code> with <code>org_id</code>, <code>name</code> and <code>scopes</code>. Fairlead shows it only once. Send it as <code>Authorization: Bearer flt_…</code>.</li>
</ul>`;

function show(ctx: Context, status: number, title: string, body: Html): void {
  showPage(ctx, { status, title, body });
}

function isCode(text: string): boolean {
  return /^[\w-]{20,100}$/.test(text);
}
