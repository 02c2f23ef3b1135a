type Json = Record<string, unknown>;

/** The parts of JSON Schema that our OpenAPI document uses. */
type Schema = Json & {
  type?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  additionalProperties?: Schema | boolean;
  anyOf?: Schema[];
  oneOf?: Schema[];
};

type Parameter = { name: string; in: 'path' | 'query' | 'header'; required: boolean; schema: Schema };
type OperationObject = {
  parameters?: Parameter[];
  /** A form has no JSON body. */
  requestBody?: { content: { 'application/json'?: { schema: Schema } } };
};
export type OpenApi = { paths: Record<string, Record<string, OperationObject>> };

/** Values that a request needs to be accepted, by the name of the field. */
export type Samples = (name: string, schema: Schema) => unknown;

/** A place in a request for one text or number. The rest of the request is valid. */
export type Slot = {
  method: string;
  /** The path of the operation, with its parameters as `{name}`. */
  route: string;
  field: string;
  kind: 'text' | 'number' | 'any';
  /** Whether the schema has a list of values or a pattern, which rejects almost every other value. */
  isGated: boolean;
  /** Returns the request with this value in the slot. */
  fill(value: unknown): { path: string; body?: unknown };
};

/** Returns every slot of every operation in the document. */
export function slotsOf(document: OpenApi, samples: Samples): Slot[] {
  const { paths } = withoutReferences(document, document) as OpenApi;
  return Object.entries(paths).flatMap(([route, operations]) =>
    Object.entries(operations).flatMap(([method, operation]) => slotsOfOperation(method, route, operation, samples)),
  );
}

/** Returns the value with each reference replaced by its target. The schemas of requests are not recursive. */
function withoutReferences(value: unknown, document: OpenApi): unknown {
  if (Array.isArray(value)) return value.map((one) => withoutReferences(one, document));
  if (typeof value !== 'object' || value === null) return value;
  const { $ref } = value as { $ref?: unknown };
  if (typeof $ref === 'string') {
    const steps = $ref.replace('#/', '').split('/');
    const target = steps.reduce<unknown>((at, step) => (at as Json | undefined)?.[step], document);
    return withoutReferences(target, document);
  }
  return Object.fromEntries(Object.entries(value).map(([key, of]) => [key, withoutReferences(of, document)]));
}

function slotsOfOperation(method: string, route: string, operation: OperationObject, samples: Samples): Slot[] {
  const { parameters = [], requestBody } = operation;
  const json = requestBody?.content['application/json'];
  const bodies = json ? variantsOf(json.schema) : [undefined];
  const path = (changed?: { name: string; value: unknown }) => {
    const textOf = ({ name, schema }: Parameter) =>
      encode(changed?.name === name ? changed.value : sampleOf(name, schema, samples));
    const query = parameters
      .filter((one) => one.in === 'query' && (one.required || one.name === changed?.name))
      .map((one) => `${one.name}=${textOf(one)}`);
    const filled = parameters
      .filter((one) => one.in === 'path')
      .reduce((left, one) => left.replace(`{${one.name}}`, textOf(one)), route);
    return query.length > 0 ? `${filled}?${query.join('&')}` : filled;
  };
  const inPath = parameters
    // `wait` does not change what an operation does, and a request with it might succeed.
    .filter((one) => one.in !== 'header' && one.name !== 'wait')
    .map(({ name, in: place, schema }): Slot => {
      const field = `${place}.${name}`;
      const [body] = bodies;
      return {
        ...{ method, route, field, kind: 'text', isGated: isGated(schema) },
        fill: (value) => ({ path: path({ name, value }), ...(body && { body: sampleOf('body', body, samples) }) }),
      };
    });
  const inBody = bodies.flatMap((body) => (body ? leavesOf('body', body, samples) : []));
  return [
    ...inPath,
    ...inBody.map(
      ({ place, ...leaf }): Slot => ({
        ...{ method, route, ...leaf },
        fill: (value) => ({ path: path(), body: place(value) }),
      }),
    ),
  ];
}

/** Replaces lone surrogates, which a URL cannot contain. */
function encode(value: unknown): string {
  return encodeURIComponent(String(value).toWellFormed());
}

type Leaf = Pick<Slot, 'field' | 'kind' | 'isGated'> & { place(value: unknown): unknown };

/** Returns the texts and numbers within a value of this schema. `place` makes the whole value around one of them. */
function leavesOf(name: string, schema: Schema, samples: Samples): Leaf[] {
  return variantsOf(schema).flatMap((one): Leaf[] => {
    if (one.type === 'object') {
      const base = sampleOf(name, one, samples) as Json;
      const inside = (key: string, of: Schema) =>
        leavesOf(key, of, samples).map(({ field, place, ...leaf }) => ({
          ...leaf,
          field: `${name}.${field}`,
          place: (value: unknown) => ({ ...base, [key]: place(value) }),
        }));
      const named = Object.entries(one.properties ?? {}).flatMap(([key, of]) => inside(key, of));
      if (typeof one.additionalProperties !== 'object') return named;
      const asKey: Leaf = {
        ...{ field: `${name}.KEY`, kind: 'text', isGated: false },
        place: (value) => ({ ...base, [String(value)]: 'x' }),
      };
      return [...named, asKey, ...inside(anyKey(name), one.additionalProperties)];
    }
    if (one.type === 'array' && one.items) {
      return leavesOf(`${name}[]`, one.items, samples).map((leaf) => ({
        ...leaf,
        place: (value) => [leaf.place(value)],
      }));
    }
    const leaf = { field: name, isGated: isGated(one), place: (value: unknown) => value };
    if (one.type === 'string') return [{ ...leaf, kind: 'text' }];
    if (one.type === 'integer' || one.type === 'number') return [{ ...leaf, kind: 'number' }];
    return one.type === undefined && one['const'] === undefined ? [{ ...leaf, kind: 'any' }] : [];
  });
}

function isGated(schema: Schema): boolean {
  return ['enum', 'const', 'pattern'].some((rule) => rule in schema);
}

/** Returns a key of a free-form object whose value some code reads. */
function anyKey(name: string): string {
  return name === 'metadata' ? 'registry' : 'key';
}

function variantsOf(schema: Schema): Schema[] {
  const variants = schema.anyOf ?? schema.oneOf;
  return variants ? variants.flatMap(variantsOf) : [schema];
}

function sampleOf(name: string, schema: Schema, samples: Samples): unknown {
  const [one = schema] = variantsOf(schema);
  const known = samples(name, one);
  if (known !== undefined) return known;
  if ('const' in one) return one['const'];
  if (Array.isArray(one['enum'])) return one['enum'][0];
  if (Array.isArray(one['examples'])) return one['examples'][0];
  if (one.type === 'object') {
    const { properties = {}, required = [] } = one;
    // Without a project, a request might be rejected because its owner is ambiguous.
    const needed = Object.keys(properties).filter((key) => required.includes(key) || /^project_?id$/i.test(key));
    return Object.fromEntries(needed.map((key) => [key, sampleOf(key, properties[key] ?? {}, samples)]));
  }
  if (one.type === 'array') return one['minItems'] ? [sampleOf(name, one.items ?? {}, samples)] : [];
  if (one.type === 'integer' || one.type === 'number') return one['minimum'] ?? 1;
  return 'text';
}
