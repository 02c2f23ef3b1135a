import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { answerOAuth } from './access/oauth.ts';
import { type Answer, type Call, errorBody, type Page, Refused, type Route } from './answers.ts';
import { credentialOf } from './credentials.ts';
import type { Fault, Faults } from './faults.ts';
import { errorPage } from './html.ts';
import { createRouter } from './router.ts';
import type { State } from './state.ts';

export type LedgerEntry = {
  at: number;
  method: string;
  /** Below the API's root, without the query, as it came over the wire. */
  path: string;
  query: string;
  authorization: string | undefined;
  /** The App's key or client secret that it came with: see `credentialOf`. */
  credential: string | undefined;
  headers: Record<string, string | string[] | undefined>;
  body: unknown;
  /** 0 where no answer left. */
  status: number;
  /** The operation, where it was carried out and changes something: also where its answer was lost. */
  effect?: string;
};

export type Exchange = { entry: LedgerEntry; route: Route | undefined; params: Record<string, string>; answer: Answer };

type Parts = {
  state: State;
  routes: Route[];
  /** What a browser sees, which GitHub's OpenAPI document does not describe. */
  pages: Page[];
  faults: Faults;
  settings: { askToAuthorize: boolean };
  ledger: LedgerEntry[];
  certificate: Certificate | undefined;
  /** Sees every exchange that got as far as an answer, sent or lost. */
  observe(exchange: Exchange): void;
};

const hourlyLimit = 5000;
/** The limit of an address without credentials. */
const anonymousLimit = 60;

const newest = ['2022-11-28', '2026-03-10'];
const apiVersions = { 'github.com': newest, 'ghe.com': newest, ghes: ['2022-11-28'] };

/** PEM. */
export type Certificate = { cert: string; key: string };

/** Which of its addresses a request has come to; where there is only one, it is both. */
type Side = { isApi: boolean; isWeb: boolean };

/** Makes a server of the web host, or where the API has a host of its own, of that. */
export function createGitHubServer(parts: Parts): (host?: 'web' | 'api') => Server {
  const { state, routes, pages, faults, settings, ledger, observe, certificate } = parts;
  const find = createRouter(routes);
  const findPage = createRouter(pages);
  const used = new Map<string, number>();

  return (host = 'web') => {
    const serve = (request: IncomingMessage, response: ServerResponse) => {
      handle(request, response, host).catch((error: unknown) => {
        console.error(error);
        response.writeHead(500).end();
      });
    };
    return certificate ? createSecureServer(certificate, serve) : createServer(serve);
  };

  async function handle(request: IncomingMessage, response: ServerResponse, host: 'web' | 'api'): Promise<void> {
    const { pathname, searchParams } = splitUrl(request.url ?? '/');
    const method = request.method ?? 'GET';
    const root = state.flavour === 'ghes' ? '/api/v3' : '';
    const isBelow = pathname.startsWith(`${root}/`);
    const path = isBelow ? pathname.slice(root.length) : pathname;
    const { isApi, isWeb } = sideOf(host, isBelow);
    const body = parseBody(await readAll(request), request.headers['content-type']);
    const entry: LedgerEntry = {
      at: Date.now(),
      method,
      path,
      query: searchParams.toString(),
      authorization: request.headers.authorization,
      credential: credentialOf(state, request.headers.authorization),
      headers: request.headers,
      body,
      status: 0,
    };
    ledger.push(entry);

    const fault = faults.take(method, path);
    if (fault?.kind === 'reset') return void request.socket.destroy();
    if (fault?.kind === 'hang') return;
    if (fault?.kind === 'slow') await sleep(fault.delayMs ?? 1000);

    const later: (() => unknown)[] = [];
    const found = isApi ? find(method, followId(path)) : undefined;
    const place = found || !isWeb ? undefined : findPage(method, path);
    const call: Call = {
      state,
      method,
      path,
      params: (found ?? place)?.params ?? {},
      query: searchParams,
      headers: request.headers,
      body: (body ?? {}) as Record<string, unknown>,
      later: (work) => later.push(work),
    };
    const instead = fault && insteadOf(fault, call);
    if (fault?.kind === 'twice') place ? show(call, place.route) : answer(call, found?.route, isWeb);
    const shown = place && !(instead && !fault?.after) ? show(call, place.route) : undefined;
    const own = instead && !fault?.after ? undefined : (shown ?? answer(call, found?.route, isWeb));
    if (own && own.status < 300 && method !== 'GET') entry.effect = `${method} ${found?.route.path ?? path}`;
    const final = instead ?? own ?? { status: 500 };

    if (fault?.kind === 'lost_answer') request.socket.destroy();
    else send(call, response, final, entry);
    if (!shown && !(place && instead)) observe({ entry, route: found?.route, params: call.params, answer: final });
    for (const work of later) await work();
  }

  /** github.com's API has a host of its own, too, but here it shares one with the pages. */
  function sideOf(host: 'web' | 'api', isBelowRoot: boolean): Side {
    if (state.flavour === 'github.com') return { isApi: true, isWeb: true };
    const isApi = state.flavour === 'ghes' ? isBelowRoot : host === 'api';
    return { isApi, isWeb: !isApi };
  }

  /** Nothing, where there is no such page: then it is the API that is asked. */
  function show(call: Call, at: Page): Answer | undefined {
    try {
      return at.handle(call);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return errorPage(state, error.status, error.message);
    }
  }

  function answer(call: Call, route: Route | undefined, isWeb: boolean): Answer {
    try {
      const authorization = isWeb ? answerOAuth(state, call, settings.askToAuthorize) : undefined;
      if (authorization) return authorization;
      if (!call.headers['user-agent']) throw new Refused(403, 'Request forbidden by administrative rules.');
      if (!route && isWeb && /\btext\/html\b/.test(call.headers.accept ?? '')) {
        return errorPage(state, 404, 'There is no such page.');
      }
      const moved = movedTo(call.path);
      if (moved) return redirect(call.method === 'GET' ? 301 : 307, moved);
      requireVersion(call);
      if (!route) throw new Refused(404, 'Not Found');
      return route.handle(call);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return { status: error.status, body: errorBody(error.status, error.message, error.extra) };
    }
  }

  function requireVersion({ headers }: Call): void {
    const version = headers['x-github-api-version'];
    if (version === undefined || apiVersions[state.flavour].includes(String(version))) return;
    throw new Refused(400, `"${version}" is not a supported version of the API.`);
  }

  /** `/repositories/{id}/…` is an undocumented way to say `/repos/{owner}/{repo}/…`, which redirects lead to. */
  function followId(path: string): string {
    const [, id, rest = ''] = /^\/repositories\/(\d+)(\/.*)?$/.exec(path) ?? [];
    const repository = state.repositories.get(Number(id));
    if (repository) return `/repos/${repository.fullName}${rest}`;
    // Nobody's, and as unknown as one that was deleted.
    return id === undefined ? path : `/repos/nobody/nothing${rest}`;
  }

  function movedTo(path: string): string | undefined {
    const [, fullName = '', rest = ''] = /^\/repos\/([^/]+\/[^/]+)(\/.*)?$/.exec(path) ?? [];
    const id = state.renamed.get(fullName.toLowerCase());
    return id === undefined ? undefined : `${state.apiUrl}/repositories/${id}${rest}`;
  }

  /** An Enterprise Server has no limits, unless its operator switches them on. */
  function limitsAfter(count: number, limit: number): Record<string, string> {
    return {
      'x-ratelimit-limit': String(limit),
      'x-ratelimit-remaining': String(Math.max(0, limit - count)),
      'x-ratelimit-used': String(count),
      'x-ratelimit-reset': String(Math.ceil(state.now() / 3_600_000) * 3600),
      'x-ratelimit-resource': 'core',
    };
  }

  function send(call: Call, response: ServerResponse, final: Answer, entry: LedgerEntry): void {
    const raw = final.raw ?? (final.body === undefined ? '' : JSON.stringify(final.body));
    const etag = call.method === 'GET' && final.status === 200 ? `W/"${hash(raw)}"` : undefined;
    const unchanged = etag !== undefined && call.headers['if-none-match'] === etag;
    entry.status = unchanged ? 304 : final.status;
    // What has not changed costs nothing. A request with refused credentials counts against the limit of the address,
    // like a request without credentials.
    const account = entry.status === 401 ? '' : (call.headers.authorization ?? '');
    const count = (used.get(account) ?? 0) + (unchanged ? 0 : 1);
    used.set(account, count);
    const limit = account === '' ? anonymousLimit : hourlyLimit;
    response.writeHead(entry.status, {
      date: new Date(state.now()).toUTCString(),
      server: 'github.com',
      'x-github-request-id': hash(`${entry.at}${raw}`).slice(0, 16).toUpperCase(),
      'x-github-media-type': 'github.v3; format=json',
      ...(state.flavour === 'ghes'
        ? { 'x-github-enterprise-version': state.enterpriseVersion }
        : limitsAfter(count, limit)),
      ...(etag && { etag }),
      ...(raw !== '' && !unchanged && { 'content-type': contentType(final) }),
      ...final.headers,
    });
    response.end(unchanged ? '' : raw);
  }
}

export async function listen(server: Server, port = 0): Promise<Server> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return server;
}

/** Of a server that listens. */
export function addressOf(server: Server, certificate?: Certificate): string {
  return `${certificate ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The text is the same with both. */
function redirect(status: number, location: string): Answer {
  return { status, headers: { location }, body: { ...errorBody(status, 'Moved Permanently'), url: location } };
}

/** What the fault answers in the route's place, if it answers at all. */
function insteadOf(fault: Fault, { state }: Call): Answer | undefined {
  const retry = fault.retryAfter === undefined ? {} : { 'retry-after': String(fault.retryAfter) };
  if (fault.kind === 'status') {
    const status = fault.status ?? 503;
    // A proxy's page, for example.
    if (typeof fault.body === 'string') {
      return { status, headers: { ...retry, 'content-type': 'text/html' }, raw: fault.body };
    }
    return {
      status,
      headers: { ...retry, ...fault.headers },
      body: fault.body ?? errorBody(status, 'No server is currently available'),
    };
  }
  if (fault.kind === 'rate_limit') {
    const reset = Math.ceil(state.now() / 1000) + (fault.retryAfter ?? 60);
    return {
      status: fault.status ?? 403,
      headers: { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(reset) },
      body: fault.body ?? errorBody(403, 'API rate limit exceeded for installation.'),
    };
  }
  if (fault.kind === 'secondary_limit') {
    return {
      status: fault.status ?? 403,
      headers: { 'retry-after': String(fault.retryAfter ?? 60) },
      body:
        fault.body ??
        errorBody(403, 'You have exceeded a secondary rate limit. Please wait a few minutes before you try again.'),
    };
  }
  return undefined;
}

/** By hand: `new URL` would resolve `..`, and would read `//x` as a host. */
function splitUrl(url: string): { pathname: string; searchParams: URLSearchParams } {
  const at = url.indexOf('?');
  const query = at < 0 ? '' : url.slice(at + 1);
  return { pathname: at < 0 ? url : url.slice(0, at), searchParams: new URLSearchParams(query) };
}

async function readAll(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

function parseBody(text: string, type = ''): unknown {
  if (text === '') return undefined;
  if (type.startsWith('application/x-www-form-urlencoded')) return readForm(new URLSearchParams(text));
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A field that comes more than once is a list. */
function readForm(form: URLSearchParams): Record<string, string | string[]> {
  return Object.fromEntries(
    [...new Set(form.keys())].map((name) => {
      const values = form.getAll(name);
      return [name, values.length > 1 ? values : (values[0] ?? '')];
    }),
  );
}

function contentType({ raw }: Answer): string {
  return raw === undefined ? 'application/json; charset=utf-8' : 'application/vnd.github.raw; charset=utf-8';
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
