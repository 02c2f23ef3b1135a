import { z } from 'zod';

type Json = Record<string, unknown>;

const local = '#/$defs/';
const shared = '#/components/schemas/';

/**
 * Turns Zod schemas into the schemas of one OpenAPI document, and collects those that have a name.
 * Zod puts a named or recursive schema into `$defs` beside the schema that uses it. A `$ref` in an OpenAPI document
 * starts at the root of the document, so it would find nothing there. Named schemas therefore move to
 * `components/schemas`.
 */
export function createDocumentSchemas() {
  const named = new Map<string, Json>();

  function keep(name: string, schema: Json): void {
    if (name.startsWith('__')) throw new Error('A recursive schema needs a name: give it .meta({ id })');
    const before = named.get(name);
    if (before && JSON.stringify(before) !== JSON.stringify(schema)) {
      throw new Error(`Two different schemas have the name ${name}`);
    }
    named.set(name, schema);
  }

  return {
    toSchema(schema: z.ZodType, io: 'input' | 'output'): Json {
      // Zod does not put the outermost schema into `$defs`, so the schema is made as a member of another one.
      const made = z.toJSONSchema(z.object({ schema }), { io, unrepresentable: 'any' });
      const { $defs = {}, properties } = withSharedRefs(made) as { $defs?: Record<string, Json>; properties: Json };
      for (const [name, of] of Object.entries($defs)) keep(name, of);
      return properties['schema'] as Json;
    },

    /** Returns the named schemas for `components/schemas`, sorted by name. */
    named(): Record<string, Json> {
      return Object.fromEntries([...named].sort(([a], [b]) => (a < b ? -1 : 1)));
    },
  };
}

export type DocumentSchemas = ReturnType<typeof createDocumentSchemas>;

function withSharedRefs(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withSharedRefs);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, of]) => [key, key === '$ref' ? sharedRef(of) : withSharedRefs(of)]),
  );
}

function sharedRef(ref: unknown): string {
  if (typeof ref === 'string' && ref.startsWith(local)) return shared + ref.slice(local.length);
  throw new Error(`A recursive schema needs a name: give it .meta({ id }), not the reference ${ref}`);
}
