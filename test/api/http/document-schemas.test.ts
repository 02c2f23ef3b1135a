import { expect, test } from 'vitest';
import { z } from 'zod';
import { createDocumentSchemas } from '../../../api/document-schemas.ts';
import { jsonValue } from '../../../api/http/json-value.ts';

/** A recursive schema: a folder contains folders. */
const folder: z.ZodType<object> = z
  .lazy(() => z.strictObject({ name: z.string(), folders: z.array(folder) }))
  .meta({ id: 'Folder' });
const shared = '#/components/schemas/Folder';

test('moves a recursive schema and all references to it to `components/schemas`', () => {
  const schemas = createDocumentSchemas();
  const made = schemas.toSchema(z.strictObject({ root: folder }), 'input');
  expect(made).not.toHaveProperty('$defs');
  expect(made).toMatchObject({ properties: { root: { $ref: shared } } });
  expect(schemas.named()).toMatchObject({
    Folder: { type: 'object', properties: { name: {}, folders: { type: 'array', items: { $ref: shared } } } },
  });
});

test('keeps each named schema once, and sorts them by name', () => {
  const schemas = createDocumentSchemas();
  const named = z.strictObject({ b: z.string() }).meta({ id: 'Beta' });
  schemas.toSchema(z.array(named), 'output');
  schemas.toSchema(z.strictObject({ a: folder, b: named }), 'output');
  schemas.toSchema(z.strictObject({ a: z.string().meta({ id: 'Alpha' }) }), 'output');
  expect(Object.keys(schemas.named())).toEqual(['Alpha', 'Beta', 'Folder']);
});

test('throws for a recursive schema without a name', () => {
  expect(() => createDocumentSchemas().toSchema(z.strictObject({ notes: z.json() }), 'input')).toThrow(/needs a name/);
  expect(() => createDocumentSchemas().toSchema(z.json(), 'input')).toThrow(/needs a name/);
});

test('throws for two different schemas with one name', () => {
  const schemas = createDocumentSchemas();
  const first = z.strictObject({ a: z.string().default('x') }).meta({ id: 'Twice' });
  schemas.toSchema(z.array(first), 'input');
  // A field with a default is always in a response, but optional in a request.
  expect(() => schemas.toSchema(z.array(first), 'output')).toThrow('Two different schemas have the name Twice');
});

test('describes any JSON value without a reference, and validates nested values', () => {
  const schemas = createDocumentSchemas();
  const made = schemas.toSchema(z.strictObject({ notes: z.record(z.string(), jsonValue) }), 'input');
  expect(made).toMatchObject({ properties: { notes: { additionalProperties: { description: 'Any JSON value' } } } });
  expect(JSON.stringify(made)).not.toContain('$ref');

  const deep = { a: [1, 'x', true, null, { b: [] }] };
  expect(jsonValue.parse(deep)).toEqual(deep);
  expect(jsonValue.safeParse({ a: [undefined] }).success).toBe(false);
  expect(jsonValue.safeParse({ a: [() => 1] }).success).toBe(false);
});
