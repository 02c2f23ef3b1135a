import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

const root = path.join(import.meta.dirname, '..');
const rooms = ['activities', 'api', 'broker', 'cli', 'db', 'domain', 'providers', 'worker', 'workflows'];

/**
 * Matches calls that throw for some text. `new Date` and `Date.parse` do not throw, but `toISOString` throws for an
 * invalid date, and encodeURIComponent for a lone surrogate. `new URL('…', import.meta.url)` does not count, because
 * the text is ours.
 */
const call =
  /\bnew (?:URL|RegExp|X509Certificate)\((?!'[^']*', import\.meta\.url\))|\b(?:JSON\.parse|(?:de|en)codeURI(?:Component)?|BigInt|createPrivateKey|createPublicKey|atob)\(|\.toISOString\(|\bIntl\./g;

/** The reasons why text from a person, a browser or a provider does not make these calls throw, with their number. */
const reasons: Record<string, Record<string, number>> = {
  'URL.canParse or an equally strict pattern comes first, or the code makes the text well formed': {
    'activities/builds/report-words.ts': 1,
    'api/connect/github-host.ts': 2,
    'api/connect/start-flow.ts': 1,
    'api/http/html-page.ts': 1,
    'broker/traffic/watch.ts': 2,
    'cli/git-credentials.ts': 2,
    'cli/git-request.ts': 1,
    'cli/http.ts': 1,
    'cli/login.ts': 1,
    'cli/settings.ts': 1,
    'domain/connect/allowed-hosts.ts': 1,
    'domain/github/github-urls.ts': 1,
    'domain/connect/host-url.ts': 1,
    'domain/secrets/redact.ts': 1,
    'domain/connect/redirects.ts': 1,
    'domain/registries/registry-hosts.ts': 1,
    'providers/clouds/gcp/gcp.ts': 1,
    'providers/egress/redirects.ts': 1,
    'providers/registries/realm.ts': 2,
    'worker/temporal-ui.ts': 1,
  },
  'The caller, `worker/deliveries/read-event.ts`, catches the error': { 'domain/deliveries/pick-json.ts': 2 },
  'A `try` catches the error': {
    'api/clouds/service-account-key.ts': 2,
    'api/http/read-body.ts': 1,
    'cli/api.ts': 1,
    'cli/cache.ts': 3,
    'cli/configure-docker.ts': 1,
    'cli/logins.ts': 1,
    'domain/secrets/key-fingerprint.ts': 2,
    'providers/clouds/gcp/gcp-token.ts': 1,
    'providers/github/app/as-app.ts': 1,
    'providers/github/app/delivery-log.ts': 1,
    'providers/github/oauth.ts': 2,
    'worker/deliveries/read-event.ts': 1,
    'worker/temporal-server-leftover.ts': 1,
    'worker/temporal-server.ts': 1,
  },
  'One call is inside a `try` or after URL.canParse, and the other parses an address that was parsed before': {
    'api/registries/registry-input.ts': 2,
    'providers/clouds/watched-fetch.ts': 2,
    'providers/github/server-version.ts': 2,
    'providers/egress/guarded-fetch.ts': 2,
    'providers/registries/wire.ts': 2,
  },
  'URL has parsed the address before, or its host and path are fixed': {
    'api/connect/github-browser.ts': 1,
    'broker/traffic/traffic.ts': 2,
    'providers/clouds/gcp/gcp-consent.ts': 1,
    'providers/egress/pinned-connect.ts': 1,
    'providers/registries/registry.ts': 1,
    'providers/registries/tokens.ts': 1,
  },
  'Fairlead wrote the text (a column, a response or an id), and checked it before': {
    'activities/connect/flow-steps.ts': 1,
    'api/integrations/choose-integration.ts': 1,
    'api/connect/begin.ts': 2,
    'api/connect/flow-page.ts': 1,
    'api/connect/flow-view.ts': 1,
    'api/integrations/dialect-view.ts': 1,
    'api/exchange/exchange-request.ts': 1,
    'api/deliveries/webhook-keys.ts': 1,
    'api/http/idempotency.ts': 1,
    'api/http/mount.ts': 1,
    'api/http/operation-view.ts': 1,
    'api/connect/dialect-browser.ts': 1,
    'api/exchange/git-token.ts': 3,
    'cli/version.ts': 1,
    'db/ops/audit.ts': 1,
    'db/builds/build-events.ts': 1,
    'db/builds/build-row.ts': 2,
    'db/github/refresh-installation.ts': 1,
    'api/secrets/credential-rotation.ts': 1,
    'db/clouds/cloud-accounts.ts': 3,
    'db/store/commands.ts': 2,
    'db/deliveries/deliveries.ts': 1,
    'db/builds/build-reports.ts': 1,
    'db/connect/connect-flows.ts': 1,
    'db/connect/flow-seals.ts': 1,
    'db/github/installation-incidents.ts': 2,
    'db/clouds/google-consent-ends.ts': 3,
    'db/ops/idempotency-keys.ts': 1,
    'db/github/installations.ts': 2,
    'db/integrations/integrations.ts': 2,
    'db/exchange/issuers.ts': 1,
    'db/exchange/leases.ts': 1,
    'db/builds/pipelines.ts': 4,
    'db/registries/registry-outages.ts': 1,
    'db/clouds/signing-keys.ts': 1,
    'db/people/tokens.ts': 1,
    'domain/registries/registry-watch.ts': 1,
    'providers/github/repository/checks.ts': 2,
    'providers/github/repository/runs.ts': 1,
  },
  'The text is a setting, which config.ts has checked at the start': {
    'api/http/authenticate.ts': 1,
    'broker/clouds/oidc-issuer.ts': 2,
    'config.ts': 7,
    'db/store/open-store.ts': 1,
    'domain/clouds/aws-policies.ts': 1,
    'domain/deliveries/webhook-address.ts': 1,
    'providers/egress/proxy.ts': 3,
  },
  'The callers pass addresses that tenantHostUrl or config.ts has accepted': { 'domain/github/github-host.ts': 2 },
  'The time is a host’s clock, and providers/github/traffic.ts limits how far that can be off': {
    'providers/github/app/app-jwt.ts': 1,
  },
  'The time is a few hours before now': { 'worker/ops/closed-workflows.ts': 1 },
  'The pattern is a constant': { 'domain/ids.ts': 1, 'domain/registries/image-repository.ts': 1 },
};

function filesOf(folder: string): string[] {
  return readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => path.posix.join(folder, file));
}

test('the list has every call that throws for some text', () => {
  const found: Record<string, number> = {};
  for (const file of ['config.ts', 'log.ts', ...rooms.flatMap(filesOf)]) {
    const calls = readFileSync(path.join(root, file), 'utf8').match(call)?.length ?? 0;
    if (calls > 0) found[file] = calls;
  }
  // If a number here is new or has changed, check the calls in that file and add them to the list.
  expect(found).toEqual(Object.assign({}, ...Object.values(reasons)));
});

test('the list has each file once', () => {
  const files = Object.values(reasons).flatMap((group) => Object.keys(group));
  expect(files).toEqual([...new Set(files)]);
});

test.each([
  ['new URL(text)', 1],
  ['JSON.parse(text) ?? BigInt(text)', 2],
  ['decodeURIComponent(text)', 1],
  ['at.toISOString()', 1],
  ["new URL('../support/x', import.meta.url)", 0],
  ['URL.canParse(text)', 0],
])('%s counts %i', (text, calls) => {
  expect(text.match(call)?.length ?? 0).toBe(calls);
});
