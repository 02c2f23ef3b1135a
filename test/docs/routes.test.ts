import { expect, test } from 'vitest';
import { complaintsOf, type Page, pages, readPage } from '../support/docs.ts';

const { paths } = JSON.parse(readPage('docs/openapi.json').text) as { paths: Record<string, Record<string, unknown>> };
const routes = Object.entries(paths).map(([path, item]) => ({
  methods: Object.keys(item).map((method) => method.toUpperCase()),
  steps: normalized(path),
}));

type Named = { text: string; method: string | undefined; steps: string[]; isEnd: boolean };

/** Splits a path into steps. Replaces the placeholders `{id}`, `<id>`, `$ID` and `int_…` with `{}`. */
function normalized(path: string): string[] {
  return path
    .split('/')
    .slice(1)
    .map((step) => (/^(\{.*\}|<.*>|\$\w+|[a-z]+_….*)$/.test(step) ? '{}' : step));
}

/** Returns the routes in a text: `/v1/…`, `/api/integrations…`, and `POST …/x`, which names only the end of a route. */
function routesIn(text: string): Named[] {
  const found = text.matchAll(
    /(?:\b(GET|POST|PUT|PATCH|DELETE) )?((?:\/v1|\/api\/integrations|(?<=(?:GET|POST|PUT|PATCH|DELETE) )…)(?:\/(?:\{\w+\}|<[^>\s]+>|\$\w+|[a-z]+_…|[\w.-]+))*)/g,
  );
  return [...found]
    .map(([all, method, path = '']) => ({
      text: all,
      method,
      steps: normalized(path.replace(/^…/, '').replace(/\.+$/, '')),
      isEnd: path.startsWith('…'),
    }))
    .filter(({ steps, isEnd }) => steps.length > 1 || isEnd);
}

function exists({ method, steps, isEnd }: Named): boolean {
  return routes.some((route) => {
    if (method !== undefined && !route.methods.includes(method)) return false;
    const compared = isEnd ? route.steps.slice(-steps.length) : route.steps;
    return compared.length === steps.length && compared.every((step, index) => step === steps[index]);
  });
}

const unknownIn = ({ text }: Page) =>
  routesIn(text)
    .filter((named) => !exists(named))
    .map((named) => named.text);

test('every route that the documentation names is in the OpenAPI document', () => {
  const named = pages().flatMap(({ text }) => routesIn(text));
  expect(new Set(named.map(({ text }) => text)).size).toBeGreaterThan(60);
  expect(complaintsOf(pages(), unknownIn)).toEqual([]);
});

test('finds a route, a method or the end of a route that does not exist', () => {
  const text = [
    '`GET /v1/me`, `PATCH /v1/integrations/{id}`, `POST …/credentials/exchange`, `/v1/integrations/int_…/recover`,',
    '`curl localhost:8080/v1/integrations/$INTEGRATION/credentials/rotate`, `/v1/webhooks/github/<gha_…>`, /v1/me.',
    '`GET /v1/none`, `PUT /v1/me`, `POST …/none`, `/v1/integrations/int_…/none`, `localhost:8080/v1/me/{id}`,',
    '`GET /api/integrations/github/none`',
  ].join('\n');
  expect(unknownIn({ file: 'docs/page.md', text })).toEqual([
    'GET /v1/none',
    'PUT /v1/me',
    'POST …/none',
    '/v1/integrations/int_…/none',
    '/v1/me/{id}',
    'GET /api/integrations/github/none',
  ]);
});
