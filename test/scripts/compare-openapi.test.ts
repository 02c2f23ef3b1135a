import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = path.join(import.meta.dirname, '../..');
const committed = path.join(root, 'docs/openapi.json');

// biome-ignore lint/suspicious/noExplicitAny: the tests edit a document at many depths
type Json = Record<string, any>;
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'compare-openapi-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Compares the committed document with a copy that `change` has edited. */
function compare(change: (document: Json) => void, ...options: string[]) {
  const document = JSON.parse(readFileSync(committed, 'utf8')) as Json;
  change(document);
  const edited = path.join(folder, 'edited.json');
  writeFileSync(edited, JSON.stringify(document));
  const script = path.join(root, 'scripts/compare-openapi.mjs');
  const { status, stdout } = spawnSync(process.execPath, [script, committed, edited, ...options], { encoding: 'utf8' });
  return { status, stdout };
}

const answerOf = (document: Json) => document['paths']['/v1/orgs/{org}'].get.responses['200'];
const schemaOf = (document: Json) => answerOf(document).content['application/json'];
/** Replaces the schema of an answer with an inline copy, and returns the copy. */
function inlined(document: Json): Json {
  const content = schemaOf(document);
  const name =
    String(content.schema.$ref ?? '')
      .split('/')
      .at(-1) ?? '';
  content.schema = structuredClone(document['components'].schemas[name] ?? content.schema);
  return content.schema;
}

describe('finds no difference', () => {
  const same: Record<string, (document: Json) => void> = {
    'in a copy': () => {},
    'when the prose changes': (document) => {
      document['info'].description = 'Other words';
      document['paths']['/v1/orgs/{org}'].get.summary = 'Other words';
      answerOf(document).description = 'Other words';
    },
    'when a schema moves to the components under another name': (document) => {
      document['components'].schemas.Other = inlined(document);
      schemaOf(document).schema = { $ref: '#/components/schemas/Other' };
    },
  };
  test.each(Object.entries(same))('%s', (_, change) => {
    expect(compare(change)).toEqual({ status: 0, stdout: 'The documents mean the same\n' });
  });
});

describe('finds', () => {
  const place = 'paths > /v1/orgs/{org} > get';
  const changes: Record<string, [string, (document: Json) => void]> = {
    'a removed field': [
      `removed  ${place} > responses > 200 > content > application/json > schema > properties > name`,
      (document) => delete inlined(document)['properties'].name,
    ],
    'a removed field whose name is also a word for prose': [
      'removed  paths > /v1/incidents/{incident} > get > responses > 200 > content > application/json > schema > properties > title',
      (document) => {
        const { schema } =
          document['paths']['/v1/incidents/{incident}'].get.responses['200'].content['application/json'];
        delete (document['components'].schemas[String(schema.$ref).split('/').at(-1) ?? ''] ?? schema).properties.title;
      },
    ],
    'a field that is no longer required': [
      `changed  ${place} > responses > 200 > content > application/json > schema > required`,
      (document) => inlined(document)['required'].pop(),
    ],
    'a removed operation': [`removed  ${place}`, (document) => delete document['paths']['/v1/orgs/{org}'].get],
    'a removed status': [
      `removed  ${place} > responses > 404`,
      (document) => delete document['paths']['/v1/orgs/{org}'].get.responses['404'],
    ],
    'a removed parameter': [
      `removed  ${place} > parameters > path org`,
      (document) => document['paths']['/v1/orgs/{org}'].get.parameters.shift(),
    ],
    'another operation id': [
      `changed  ${place} > operationId`,
      (document) => {
        document['paths']['/v1/orgs/{org}'].get.operationId = 'other';
      },
    ],
  };
  test.each(Object.entries(changes))('%s', (_, [line, change]) => {
    const { status, stdout } = compare(change);
    expect(stdout).toContain(line);
    expect(status).toBe(1);
  });
});

test('allows added response headers only with the option', () => {
  const add = (document: Json) => {
    const answer = answerOf(document);
    answer.headers = { ...answer.headers, 'X-New': { schema: { type: 'string' } } };
  };
  expect(compare(add)).toMatchObject({ status: 1, stdout: expect.stringContaining('> headers') });
  expect(compare(add, '--allow-added-headers').status).toBe(0);
  const remove = (document: Json) => delete answerOf(document).description && delete answerOf(document).content;
  expect(compare(remove, '--allow-added-headers').status).toBe(1);
});

test('exits 2 when it is called with an unknown option', () => {
  expect(compare(() => {}, '--quiet').status).toBe(2);
});
