import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv, type ValidateFunction } from 'ajv';
import * as formats from 'ajv-formats';
import { isVersionOf2026, type Route } from './answers.ts';
import type { Exchange, LedgerEntry } from './server.ts';

type Schema = Record<string, unknown>;

type Operation = {
  parameters: { name: string; in: 'path' | 'query'; required: boolean; schema: Schema }[];
  requestBody?: { required: boolean; schema: Schema };
  /** Null means no body. */
  responses: Record<string, Schema | null>;
};

type Contract = { operations: Record<string, Operation>; components: { schemas: Record<string, Schema> } };

type Checker = (exchange: Exchange) => string[];

let checker: Checker | undefined;

/**
 * Returns how an exchange violates GitHub's OpenAPI document. Each part is compiled once per process, when it is first
 * needed.
 */
export function checkExchange(exchange: Exchange): string[] {
  checker ??= createChecker();
  return checker(exchange);
}

function createChecker(): Checker {
  const file = join(import.meta.dirname, 'contract.json');
  const contract = toJsonSchema(JSON.parse(readFileSync(file, 'utf8'))) as Contract;
  const ajv = withFormats(new Ajv({ strict: false, allErrors: true }));
  ajv.addSchema({ $id: 'github', components: contract.components });
  // Paths and queries contain only text, and some filters (`created`) are not dates themselves.
  const lax = new Ajv({ strict: false, coerceTypes: true, validateFormats: false });
  lax.addSchema({ $id: 'github', components: contract.components });
  const compiled = new Map<Schema, ValidateFunction>();

  function complaints(by: Ajv, schema: Schema, value: unknown): string[] {
    const validate = compiled.get(schema) ?? by.compile(schema);
    compiled.set(schema, validate);
    if (validate(value)) return [];
    return (validate.errors ?? []).slice(0, 5).map(({ instancePath, message, params }) => {
      return `${instancePath || 'it'} ${message} ${JSON.stringify(params)}`;
    });
  }

  function checkParameters({ parameters }: Operation, { entry, params }: Exchange): string[] {
    const query = new URLSearchParams(entry.query);
    const known = new Set(parameters.filter((one) => one.in === 'query').map(({ name }) => name));
    return [
      ...[...query.keys()].filter((name) => !known.has(name)).map((name) => `query: ${name} is unknown`),
      ...parameters.flatMap(({ name, in: where, required, schema }) => {
        const value = where === 'path' ? params[name] : (query.get(name) ?? undefined);
        if (value === undefined) return required ? [`${where}: ${name} is missing`] : [];
        return complaints(lax, wrapped(schema), { value }).map((text) => `${where}: ${name}: ${text}`);
      }),
    ];
  }

  function checkBody({ requestBody }: Operation, { entry: { body } }: Exchange): string[] {
    if (body === undefined) return requestBody?.required ? ['request: the body is missing'] : [];
    if (!requestBody) return ['request: there is a body'];
    return complaints(ajv, requestBody.schema, body).map((text) => `request: ${text}`);
  }

  function checkAnswer(operation: Operation, { entry, route, answer }: Exchange): string[] {
    const status = entry.status || answer.status;
    if (status === 304 || answer.raw !== undefined) return [];
    // The document does not list every refusal of every operation, but all have the same form.
    if (status >= 300) return complaints(ajv, refusal, answer.body).map((text) => `answer ${status}: ${text}`);
    const schema = responsesOf(operation, entry, route)[String(status)];
    if (schema === undefined) return [`answer ${status}: the status is unknown`];
    if (schema === null) return answer.body === undefined ? [] : [`answer ${status}: there is a body`];
    return complaints(ajv, schema, answer.body).map((text) => `answer ${status}: ${text}`);
  }

  const wraps = new Map<Schema, Schema>();
  /** Ajv converts text to numbers only inside an object. */
  function wrapped(schema: Schema): Schema {
    const known = wraps.get(schema) ?? { type: 'object', properties: { value: schema } };
    wraps.set(schema, known);
    return known;
  }

  return (exchange) => {
    const { entry, route } = exchange;
    // The document does not describe the web host.
    if (entry.path.startsWith('/login/')) return [];
    const name = `${entry.method} ${route ? route.path.replaceAll('{+', '{') : entry.path}`;
    const operation = contract.operations[name];
    if (!operation) return [`${name}: there is no such operation`];
    // GitHub redirects an old name before it checks anything else.
    const found =
      entry.status === 301 || entry.status === 307
        ? []
        : [
            ...checkParameters(operation, exchange),
            ...checkBody(operation, exchange),
            ...checkAnswer(operation, exchange),
          ];
    return found.map((text) => `${name}: ${text}`);
  };
}

const refusal = {
  type: 'object',
  required: ['message'],
  properties: { message: { type: 'string' }, documentation_url: { type: 'string' }, status: { type: 'string' } },
};

/**
 * The document is that of github.com for the version 2022-11-28. It notes what 2026-03-10 changed: a dispatch answers 200
 * alone; uninstalling 202, as GitHub's changelog says. Enterprise Server has documents of its own: of our operations they
 * differ only where a dispatch answers 204, never 200 with its run, and takes 10 inputs. This document allows the 204
 * too, and the stand-in counts the inputs.
 */
function responsesOf(
  { responses }: Operation,
  { method, headers }: LedgerEntry,
  route: Route | undefined,
): Operation['responses'] {
  if (!isVersionOf2026({ headers })) return responses;
  const name = `${method} ${route?.path}`;
  if (name === 'DELETE /app/installations/{installation_id}') return { '202': null };
  if (name.endsWith('/dispatches')) return { '200': responses['200'] ?? null };
  return responses;
}

/** OpenAPI 3.0 uses `nullable`, and JSON Schema has the type null. */
function toJsonSchema(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(toJsonSchema);
  if (typeof node !== 'object' || node === null) return node;
  const { nullable, discriminator: _, ...rest } = node as Schema;
  const schema = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, toJsonSchema(value)]));
  if (typeof schema['$ref'] === 'string') schema['$ref'] = `github${schema['$ref']}`;
  return nullable === true ? { anyOf: [{ type: 'null' }, schema] } : schema;
}

function withFormats(ajv: Ajv): Ajv {
  formats.default.default(ajv);
  // GitHub writes '' for a missing address, although the document forbids it.
  return ajv.addFormat('uri', (text) => text === '' || URL.canParse(text));
}
