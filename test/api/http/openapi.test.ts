import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { catalogue } from '../../../api/http/problems.ts';
import { openApiText } from '../../../api/openapi.ts';
import { startApi, type TestApi } from '../../support/api.ts';

type Operation = {
  operationId: string;
  summary?: string;
  tags: string[];
  security?: unknown[];
  requestBody?: { content?: Record<string, { schema: unknown }> };
  parameters: { name: string; in: string; required: boolean; schema: unknown }[];
  responses: Record<string, { description?: string; content?: Record<string, { schema: unknown }> }>;
};
type Document = {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  components: { securitySchemes: object; schemas: { Problem: { properties: { code: { enum: string[] } } } } };
};

let api: TestApi;
let document: Document;

beforeAll(async () => {
  api = await startApi();
  document = (await (await fetch(`${api.url}/openapi.json`)).json()) as Document;
});
afterAll(() => api.stop());

const operations = () =>
  Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ path, method, operation })),
  );

test('The committed document matches the code: `npm run openapi` writes it', () => {
  const committed = readFileSync(new URL('../../../docs/openapi.json', import.meta.url), 'utf8');
  expect(committed === openApiText(api.endpoints), 'docs/openapi.json is out of date').toBe(true);
  expect(JSON.parse(committed)).toEqual(document);
});

test('Every route is in the document once, with its own operation ID', () => {
  expect(document.openapi).toBe('3.1.0');
  expect(operations().length).toBe(api.endpoints.length);
  const names = operations().map(({ operation }) => operation.operationId);
  expect(new Set(names).size).toBe(names.length);
  // Two paths that differ only in parameter names would be the same to a client.
  const shapes = Object.keys(document.paths).map((path) => path.replaceAll(/\{\w+\}/g, '{}'));
  expect(new Set(shapes).size).toBe(shapes.length);
});

test('Every operation lists its responses', () => {
  for (const { path, method, operation } of operations()) {
    const said = Object.keys(operation.responses);
    // The frame can send these for every operation.
    const expected = ['400', '408', '429', '431', '500', '503'];
    if (!operation.security) expected.push('401', '403');
    if (operation.requestBody) expected.push('413');
    if (operation.requestBody?.content?.['application/json']) expected.push('415');
    if (!operation.security && path.includes('{')) expected.push('404');
    if (operation.parameters.some(({ name }) => name === 'Idempotency-Key')) expected.push('409', '412');
    expect(said, `${method} ${path}`).toEqual(expect.arrayContaining(expected));
    for (const [status, { description, content }] of Object.entries(operation.responses)) {
      expect(description, `${method} ${path} ${status}`).toBeTruthy();
      if (Number(status) < 400) continue;
      const { 'text/html': page, ...problem } = content ?? {};
      // A browser gets a refusal as a page, and some pages are for browsers only.
      if (page) expect(page).toEqual({ schema: { type: 'string' } });
      if (page && Object.keys(problem).length === 0) continue;
      expect(problem, `${method} ${path} ${status}`).toEqual({
        'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } },
      });
    }
  }
});

test('Every path parameter has a description', () => {
  for (const { path, operation } of operations()) {
    const named = [...path.matchAll(/\{(\w+)\}/g)].map((found) => found[1]);
    const described = operation.parameters.filter((parameter) => parameter.in === 'path');
    expect(described.map(({ name }) => name)).toEqual(named);
    expect(described.every(({ required }) => required)).toBe(true);
  }
});

test('Every request object rejects unknown fields and has examples of its IDs', () => {
  const bodies = operations().flatMap(({ operation }) => (operation.requestBody ? [operation] : []));
  expect(bodies.length).toBeGreaterThan(5);
  for (const { operationId, requestBody } of bodies) {
    const text = JSON.stringify(expanded(requestBody));
    expect(text, operationId).toContain('"additionalProperties":false');
    if (/_\[0-9a-hjkmnp/.test(text)) expect(text, operationId).toContain('"examples"');
  }
});

test('Every JSON body has a named schema, except the document itself and the envelopes of the dialect', () => {
  expect(Object.keys(document.components.schemas).filter((name) => !/^[A-Z][A-Za-z]+$/.test(name))).toEqual([]);
  const unnamed = operations().flatMap(({ operation }) => {
    const answers = Object.entries(operation.responses).flatMap(([status, of]) => (Number(status) < 300 ? [of] : []));
    const bodies = [operation.requestBody, ...answers].flatMap((of) => of?.content?.['application/json'] ?? []);
    return bodies.filter(({ schema }) => !isNamed(schema)).map(() => operation);
  });
  const expected = (tag: string) => ['service', 'dialect of /api/integrations'].includes(tag);
  expect(unnamed.filter(({ tags }) => !tags.some(expected)).map(({ operationId }) => operationId)).toEqual([]);
  expect(unnamed.map(({ operationId }) => operationId)).toContain('getOpenApi');
});

function isNamed(schema: unknown): boolean {
  const { $ref, items } = schema as { $ref?: string; items?: { $ref?: string } };
  return $ref !== undefined || items?.$ref !== undefined;
}

test('The document lists every code and both ways to sign in', () => {
  expect(document.components.schemas.Problem.properties.code.enum).toEqual(Object.keys(catalogue));
  expect(Object.keys(document.components.securitySchemes)).toEqual(['bearer', 'cookie']);
});

test('Every reference in the document resolves', () => {
  const references = referencesIn(document);
  expect(references.filter((reference) => resolve(document, reference) === undefined)).toEqual([]);
  expect(references).toContain('#/components/schemas/Problem');

  const dangling = '#/$defs/__schema0';
  expect(referencesIn({ items: [{ $ref: dangling }] })).toEqual([dangling]);
  expect(resolve(document, dangling)).toBeUndefined();
});

/** Returns the value with all references replaced by their targets. */
function expanded(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(expanded);
  if (typeof value !== 'object' || value === null) return value;
  if ('$ref' in value) return expanded(resolve(document, String(value.$ref)));
  return Object.fromEntries(Object.entries(value).map(([key, of]) => [key, expanded(of)]));
}

function referencesIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, of]) => (key === '$ref' ? [String(of)] : referencesIn(of)));
}

/** Resolves a reference within the document. A reference to another document, or to the whole one, is undefined. */
function resolve(root: unknown, reference: string): unknown {
  if (!reference.startsWith('#/')) return undefined;
  const steps = reference.slice(2).split('/');
  return steps
    .map((step) => decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce<unknown>((at, step) => (at as Record<string, unknown> | undefined)?.[step], root);
}
