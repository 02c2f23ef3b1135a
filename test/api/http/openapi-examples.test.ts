import Ajv from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { expect, test } from 'vitest';
import { endpointsOf } from '../../../api/app.ts';
import type { ApiDeps } from '../../../api/http/deps.ts';
import { openApiDocument } from '../../../api/openapi.ts';

/** No handler runs, so the endpoints need no dependencies. */
const endpoints = endpointsOf({} as ApiDeps);
const document = openApiDocument(endpoints) as {
  paths: Record<string, Record<string, { requestBody: { content: Record<string, { schema: { $ref: string } }> } }>>;
};

const bodies = endpoints.flatMap(({ method, path, operationId, body }) => {
  if (!body) return [];
  const schema = document.paths[path]?.[method]?.requestBody.content['application/json']?.schema;
  return [{ operationId, body, reference: schema?.$ref ?? '' }];
});

const ajv = new Ajv.default({ strict: false, allErrors: true });
addFormats.default(ajv);
ajv.addSchema({ $id: 'document', ...document });

test.each(bodies)('shows valid examples of the body of $operationId', ({ body, reference }) => {
  const examples = (body.meta()?.['examples'] ?? []) as unknown[];
  expect(examples.length).toBeGreaterThan(0);
  const validate = ajv.compile({ $ref: `document${reference}` });
  for (const example of examples) {
    expect(body.safeParse(example).error?.issues ?? []).toEqual([]);
    expect(validate(example) ? [] : validate.errors).toEqual([]);
  }
});

test('rejects an example with an unknown field or without a required one', () => {
  const validate = ajv.compile({ $ref: 'document#/components/schemas/NewProject' });
  expect(validate({ org_id: 'org_01k4z9v7c1q8x0m3t5n2b6d4fa', name: 'shop' })).toBe(true);
  expect(validate({ org_id: 'org_01k4z9v7c1q8x0m3t5n2b6d4fa', name: 'shop', more: 1 })).toBe(false);
  expect(validate({ name: 'shop' })).toBe(false);
});

/** Tokens of Fairlead and GitHub, AWS access keys and PEM blocks. */
const secret = /\b(?:fl[ts]_|gh[oprsu]_|github_pat_|AKIA|ASIA)\w+|-----BEGIN|1\/\/\w{6}/;

test('has no secret in the document', () => {
  expect(secret.exec(JSON.stringify(document))?.[0]).toBeUndefined();
  for (const text of ['flt_abc', 'ghs_abc', 'AKIAIOSFODNN7EXAMPLE', '-----BEGIN RSA PRIVATE KEY-----']) {
    expect(secret.test(text), text).toBe(true);
  }
});
