import type { Answer } from './answers.ts';
import type { State } from './state.ts';

/** Text that is safe to put into a page. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export type Content = Html | string | number | false | undefined | Content[];

/** A piece of a page. Every value in it is escaped unless it is `Html` itself. */
export function html(pieces: TemplateStringsArray, ...values: Content[]): Html {
  return new Html(pieces.reduce((text, piece, index) => text + render(values[index - 1]) + piece));
}

function render(value: Content): string {
  if (value instanceof Html) return value.text;
  if (Array.isArray(value)) return value.map(render).join('');
  if (value === false || value === undefined) return '';
  return String(value).replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

const style = `body{font:16px/1.5 system-ui,sans-serif;margin:0;color:#1f2328;background:#fff}
main{max-width:44rem;margin:0 auto;padding:1rem;overflow-wrap:anywhere}
.simulated{background:#9a3412;color:#fff;padding:.5rem 1rem;font-weight:600;display:flex;flex-wrap:wrap;gap:1rem}
.simulated a{color:#fff}fieldset{margin:1rem 0;border:1px solid #d0d7de}
button{font:inherit;padding:.3rem .9rem}input[type=text]{font:inherit;padding:.2rem;width:20rem;max-width:100%}
table{border-collapse:collapse;display:block;overflow-x:auto;overflow-wrap:normal}td,th{text-align:left;padding:.2rem 1rem .2rem 0}[role=alert]{color:#b42318}`;

/** Returns a whole page that is clearly marked as simulated. */
export function page(state: State, title: string, body: Html, status = 200): Answer {
  const { text } = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${title} · Simulated GitHub</title><style>${new Html(style)}</style></head>
<body><header class="simulated"><span>Simulated GitHub — nothing here is real</span>
<span>Signed in as @${state.person.login}</span><a href="/simulate">Change</a></header>
<main><h1>${title}</h1>
${body}
</main></body></html>
`;
  const headers = {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
    // There is no `form-action`, because a browser would also apply it to the redirect back.
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
  };
  return { status, raw: text, headers };
}

export function errorPage(state: State, status: number, message: string): Answer {
  return page(state, `${status}`, html`<p role="alert">${message}</p>`, status);
}

/** Redirects to an address with these parameters. Parameters without a value are left out. */
export function redirectTo(url: string, query: Record<string, string | number | undefined> = {}): Answer {
  const target = new URL(url, 'http://here.invalid');
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) target.searchParams.set(name, String(value));
  }
  const location = target.hostname === 'here.invalid' ? `${target.pathname}${target.search}` : target.href;
  return { status: 302, headers: { location } };
}

export function hidden(fields: Record<string, string | number | undefined>): Html[] {
  return Object.entries(fields).flatMap(([name, value]) =>
    value === undefined ? [] : html`<input type="hidden" name="${name}" value="${value}">`,
  );
}
