import { readFileSync } from 'node:fs';
import path from 'node:path';
import { createConfig, lintFromString } from '@redocly/openapi-core';
import { Validator } from '@seriousme/openapi-schema-validator';
import { describe, expect, test } from 'vitest';

const file = path.join(import.meta.dirname, '../../../docs/openapi.json');
const committed = readFileSync(file, 'utf8');

/** Two independent validators: one applies the JSON Schema of OpenAPI 3.1, the other applies its own rules. */
const validators = {
  'the JSON Schema of OpenAPI': async (source: string) => {
    const { valid, errors } = await new Validator().validate(JSON.parse(source));
    return valid ? [] : [JSON.stringify(errors)];
  },
  'the rules of Redocly': async (source: string) => {
    const config = await createConfig({
      extends: ['spec', 'recommended-strict'],
      // Some routes only redirect.
      rules: { 'operation-2xx-response': 'off' },
    });
    const problems = await lintFromString({ source, absoluteRef: file, config });
    return problems.map(({ ruleId, message, location }) => `${ruleId}: ${message} ${location[0]?.pointer}`);
  },
};

type Document = {
  info: Record<string, unknown>;
  paths: Record<string, Record<string, { responses?: Record<string, unknown>; parameters?: unknown[] }>>;
};

/** The mistakes that each validator must find. */
const mistakes: Record<string, (document: Document) => void> = {
  'has no title': ({ info }) => delete info['title'],
  'has a parameter without a location': ({ paths }) => {
    paths['/v1/me']?.['get']?.parameters?.push({ name: 'x', in: 'nowhere', schema: {} });
  },
  'has a reference to a missing schema': ({ paths }) => {
    const responses = paths['/v1/me']?.['get']?.responses;
    if (responses) responses['200'] = { $ref: '#/components/responses/None' };
  },
};

describe.each(Object.entries(validators))('%s', (_, validate) => {
  test('accepts the committed document', async () => {
    expect(await validate(committed)).toEqual([]);
  });

  test.each(Object.entries(mistakes))('rejects a document that %s', async (_, spoil) => {
    const document = JSON.parse(committed) as Document;
    spoil(document);
    expect(await validate(JSON.stringify(document))).not.toEqual([]);
  });
});
