import { createHash } from 'node:crypto';
import type { Context } from 'koa';
import { z } from 'zod';
import { catalogue, type Problem } from './problems.ts';

const style = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 36rem; margin: 12vh auto 0; padding: 0 1.5rem; }
h1 { font-size: 1.5rem; line-height: 1.25; }
a.button, button { display: inline-block; font: inherit; padding: .55rem 1.1rem; border: 1px solid #1f6feb;
  border-radius: .4rem; background: #1f6feb; color: #fff; text-decoration: none; cursor: pointer; }
button.quiet { background: none; color: inherit; border-color: currentColor; }
form { display: inline-block; margin: 0 .5rem .5rem 0; }
code { font-size: .95em; overflow-wrap: anywhere; }
.steps { padding-left: 1.25rem; }
.steps li[aria-current] { font-weight: 600; }
`;
const styleHash = hashSource(style);

export type HtmlPage = {
  status?: number;
  /** Plain text. */
  title: string;
  body: Html;
  /** The origins to which the page's forms may lead, besides this server. */
  formActions?: string[];
  /** An inline script of Fairlead. */
  script?: string;
  /** Reloads the page after this many seconds, without a script. */
  refreshSeconds?: number;
};

/** Shows a page to a person. It needs no script and loads nothing from other servers. */
export function showPage(ctx: Context, page: HtmlPage): void {
  const { status = 200, title, body, formActions = [], script, refreshSeconds } = page;
  const policy = [
    `default-src 'none'`,
    `style-src ${styleHash}`,
    ...(script === undefined ? [] : [`script-src ${hashSource(script)}`]),
    `form-action ${["'self'", ...formActions].join(' ')}`,
    `frame-ancestors 'none'`,
    `base-uri 'none'`,
  ];
  ctx.set('content-security-policy', policy.join('; '));
  // Fairlead checks the origin of a form, which `no-referrer` would hide. This policy does not reveal the path.
  ctx.set('referrer-policy', 'strict-origin');
  ctx.status = status;
  const refresh = refreshSeconds !== undefined && html`<meta http-equiv="refresh" content="${refreshSeconds}">`;
  ctx.body = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">${refresh}
<title>${title}</title><style>${new Html(style)}</style></head>
<body><main><h1>${title}</h1>${body}</main>${script !== undefined && html`<script>${new Html(script)}</script>`}</body></html>
`.text;
  ctx.type = 'text/html; charset=utf-8';
}

/** The responses of routes that people visit. */
export const shownPage = { status: 200, body: z.string(), contentType: 'text/html', description: 'A page' };
export const forbiddenPage = { ...shownPage, status: 403, description: 'A page that says why you cannot continue' };

/** Returns whether a browser sent the request. Other clients accept any type or JSON. */
export function prefersPage(ctx: Context): boolean {
  return ctx.accepts('json', 'html') === 'html';
}

/** Texts for people, for problems whose usual texts address a client of the API. */
const forPerson: Partial<Record<Problem['code'], { title: string; text?: string }>> = {
  flow_state_refused: { title: 'You cannot continue with this link' },
  not_found: { title: 'Page not found', text: 'Check the address, or begin at the home page.' },
  unauthenticated: {
    title: 'Sign in first',
    text: 'Open the sign-in link that Fairlead printed when it started. Then open this page again.',
  },
};

/** Shows a refusal as a page. */
export function showRefusal(ctx: Context, { code, detail }: Problem): void {
  const { status, title: usual } = catalogue[code];
  const { title = usual, text = detail } = forPerson[code] ?? {};
  showPage(ctx, { status, title, body: html`<p>${withCode(text ?? '')}</p><p><a href="/">Home page</a></p>` });
}

/** Shows as code what a problem's detail has in backticks. */
function withCode(text: string): Content[] {
  return text.split('`').map((part, index) => (index % 2 === 1 ? html`<code>${part}</code>` : part));
}

function hashSource(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}

/**
 * Returns whether another site sent the request, which would act in the name of the signed-in person. A request without
 * these headers passes.
 */
export function comesFromElsewhere(ctx: Context): boolean {
  const site = ctx.get('sec-fetch-site');
  if (site) return site !== 'same-origin' && site !== 'none';
  return Boolean(ctx.get('origin')) && !hasOwnOrigin(ctx);
}

/** Returns whether a page of Fairlead sent the request. A request without these headers is refused. */
export function isFromOwnPage(ctx: Context): boolean {
  const site = ctx.get('sec-fetch-site');
  return site ? site === 'same-origin' : hasOwnOrigin(ctx);
}

/**
 * Returns whether the person opened the address themselves, or followed a link on a page of Fairlead. Another site can
 * send its visitors here with their session, in a frame, an image or a redirect. A browser without `Sec-Fetch-Site`
 * must name the previous page.
 */
export function isOwnNavigation(ctx: Context): boolean {
  const site = ctx.get('sec-fetch-site');
  if (!site) return hasOwnOrigin(ctx) || hasOwnOrigin(ctx, 'referer');
  const isPage = ctx.get('sec-fetch-mode') === 'navigate' && ctx.get('sec-fetch-dest') === 'document';
  // A browser also loads pages in advance, which the person may never open.
  return isPage && (site === 'same-origin' || site === 'none') && !ctx.get('sec-purpose');
}

/** A page of another site cannot choose the Host that its victim's browser sends. */
function hasOwnOrigin(ctx: Context, header = 'origin'): boolean {
  const origin = ctx.get(header);
  return URL.canParse(origin) && new URL(origin).host === ctx.host;
}

/** Text that is safe to put into a page. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export type Content = Html | string | number | false | undefined | Content[];

/** A piece of a page. The template escapes every value that is not `Html`; `false` and `undefined` render as nothing. */
export function html(pieces: TemplateStringsArray, ...values: Content[]): Html {
  return new Html(pieces.reduce((text, piece, index) => text + render(values[index - 1]) + piece));
}

function render(value: Content): string {
  if (value instanceof Html) return value.text;
  if (Array.isArray(value)) return value.map(render).join('');
  if (value === false || value === undefined) return '';
  return String(value).replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
