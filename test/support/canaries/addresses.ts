import type { Canary } from './canaries.ts';

/** Ids differ from one day to the next, but their kinds do not. */
export const withoutIds = (path: string) => path.replaceAll(/\b([a-z]+)_[\da-z]{26}\b/g, '$1_…');

/** Collects secrets in URLs and cookies. Names each one after the place where it was first seen. */
export function addressCanaries() {
  const seen = new Map<string, string>();
  const add = (value: string, name: string) => void (seen.has(value) || seen.set(value, name));

  function addUrl(url: string): void {
    const { pathname, searchParams } = new URL(url);
    if (pathname === '/sign-in') return;
    for (const name of ['state', 'ticket', 'code', 'code_challenge']) {
      const value = searchParams.get(name);
      if (value !== null && value.length >= 20) add(value, `the ${name} of ${nameOf(pathname)}`);
    }
  }
  return {
    observe(url: string, { headers }: Response): void {
      addUrl(url);
      const location = headers.get('location');
      if (location) addUrl(new URL(location, url).href);
      for (const cookie of headers.getSetCookie()) {
        const value = /^(?:__Host-)?fairlead_flow_\w+=([^;]{20,})/.exec(cookie)?.[1];
        if (value) add(value, 'the cookie of a flow');
      }
    },
    /** Does the same for the links in a response, which a person opens. */
    observeLinks(json: string): void {
      for (const [link] of json.matchAll(/https?:\/\/[^"\\\s]+/g)) if (URL.canParse(link)) addUrl(link);
    },
    list: (): Canary[] => [...seen].map(([value, name]) => ({ name, value })),
  };
}

const nameOf = (pathname: string) =>
  withoutIds(pathname)
    .replace(/^\/v1\/integrations\/github/, '…')
    .replace(/^\/apps\/[^/]+/, '/apps/…');

const answer = (to: string) => `in the answer to ${to}`;
const github = '/v1/integrations/github';
const google = '/v1/cloud-accounts/gcp';

/** Only the one answer that redirects the browser contains what the browser needs next. */
export const toldToBrowsers = [
  ...[`POST ${github}/start (200)`, `GET ${github}/create (200)`].map((to) => `the state of …/create ${answer(to)}`),
  ...[`POST ${github}/start (200)`, `GET ${github}/install (200)`, 'GET /api/integrations/github/install (200)'].map(
    (to) => `the ticket of …/install ${answer(to)}`,
  ),
  `the cookie of a flow ${answer('POST /connect/begin (200)')}`,
  `the cookie of a flow ${answer('POST /connect/begin (303)')}`,
  `the state of /settings/apps/new ${answer('POST /connect/begin (200)')}`,
  `the state of /apps/…/installations/new ${answer('POST /connect/begin (303)')}`,
  ...[`POST ${google}/start (201)`, `GET ${google}/start (200)`].map(
    (to) => `the ticket of ${google}/start ${answer(to)}`,
  ),
  ...['the state of /o/oauth2/v2/auth', 'the code_challenge of /o/oauth2/v2/auth', 'the cookie of a flow'].map(
    (what) => `${what} ${answer(`POST ${google}/begin (303)`)}`,
  ),
  // The last response sets the cookie again, to delete it.
  `the cookie of a flow ${answer(`GET ${google}/callback (200)`)}`,
];

const oauth = '/login/oauth/authorize';
/** These appear depending on how soon GitHub responds. Until then the browser waits on the page of its flow. */
export const perhapsToldToBrowsers = [
  ...[`GET ${github}/callback/gha_… (303)`, 'GET /connect/flow_…/continue (303)'].map(
    (to) => `the state of /apps/…/installations/new/permissions ${answer(to)}`,
  ),
  ...[`GET ${github}/installed (303)`, 'GET /connect/flow_…/continue (303)'].flatMap((to) => [
    `the state of ${oauth} ${answer(to)}`,
    `the code_challenge of ${oauth} ${answer(to)}`,
  ]),
  // Once more, to end sooner.
  ...[
    `GET ${github}/callback/gha_… (303)`,
    `GET ${github}/callback (303)`,
    'GET /connect/flow_… (200)',
    'GET /connect/flow_… (303)',
  ].map((to) => `the cookie of a flow ${answer(to)}`),
];
