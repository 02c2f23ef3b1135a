import { z } from 'zod';
import { createDocumentSchemas, type DocumentSchemas } from './document-schemas.ts';
import type { Endpoint } from './http/endpoint.ts';
import { catalogue, type ProblemCode } from './http/problems.ts';
import { problemHeaders, responseHeaders, successHeaders } from './http/response-headers.ts';
import { tags } from './http/tags.ts';

type Json = Record<string, unknown>;

const ProblemSchema = {
  type: 'object',
  description: 'An error in the format of RFC 9457. `code` is stable. `detail` says what to do.',
  required: ['type', 'title', 'status', 'code'],
  properties: {
    type: { type: 'string', format: 'uri' },
    title: { type: 'string' },
    status: { type: 'integer' },
    code: { type: 'string', enum: Object.keys(catalogue) },
    detail: { type: 'string' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['path', 'message'],
        properties: { path: { type: 'string' }, message: { type: 'string' } },
      },
    },
    request_id: {
      type: 'string',
      description: 'The value of `X-Request-Id`. Rejected webhooks have only that header.',
    },
  },
};

/**
 * Returns the OpenAPI 3.1 document of the endpoints. It is made from the schemas that check the requests, so it cannot
 * drift.
 */
export function openApiDocument(endpoints: Endpoint[]): Json {
  const schemas = createDocumentSchemas();
  const paths: Record<string, Json> = {};
  for (const endpoint of endpoints) {
    const item = paths[endpoint.path] ?? {};
    item[endpoint.method] = operationOf(endpoint, schemas);
    paths[endpoint.path] = item;
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Fairlead',
      version: '1',
      description:
        'Fairlead connects your platform to the Git hosts of its users and turns pushes into builds. Times are in seconds since 1970. Lists have pages: follow the `Link` header. Errors are `application/problem+json` with the schema `Problem`; a browser gets those of a page as `text/html`. An unknown path gets 404, and another method of a known path 405 with `Allow`. The routes of `/api/integrations` use other names: see docs/dialect.md.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
    security: [{ bearer: [] }, { cookie: [] }],
    paths,
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'An API token (`flt_…`) or a session (`fls_…`)' },
        cookie: {
          type: 'apiKey',
          in: 'cookie',
          name: '__Host-fairlead_session',
          description:
            'The cookie of a session. Send `X-CSRF-Token` with each change. On plain http, the name has no prefix.',
        },
      },
      headers: responseHeaders,
      schemas: { Problem: ProblemSchema, ...schemas.named() },
    },
  };
}

/** Returns the document as it is committed. The same endpoints always give the same bytes. */
export function openApiText(endpoints: Endpoint[]): string {
  return `${JSON.stringify(openApiDocument(endpoints), null, 2)}\n`;
}

function operationOf(endpoint: Endpoint, schemas: DocumentSchemas): Json {
  const { operationId, tag, summary, description, access, body, form } = endpoint;
  const scope = access === 'public' || access === 'signed_in' ? undefined : `You need the scope \`${access}\`.`;
  const said = [description, scope].filter(Boolean).join('\n\n');
  return {
    operationId,
    tags: [tag],
    summary,
    ...(said && { description: said }),
    ...(access === 'public' && { security: [] }),
    parameters: parametersOf(endpoint, schemas),
    ...(body && {
      requestBody: { required: true, content: { 'application/json': { schema: schemas.toSchema(body, 'input') } } },
    }),
    ...(form && {
      requestBody: { content: { 'application/x-www-form-urlencoded': { schema: schemas.toSchema(form, 'input') } } },
    }),
    responses: merged([...successesOf(endpoint, schemas), ...problemResponses(endpoint)]),
  };
}

type Response = { status: number; description: string; headers: Json; content: Json };

/** Responses with the same status differ in their content type. */
function merged(responses: Response[]): Json {
  const byStatus = new Map<number, Response[]>();
  for (const one of responses) byStatus.set(one.status, [...(byStatus.get(one.status) ?? []), one]);
  return Object.fromEntries(
    [...byStatus].map(([status, some]) => {
      const headers = Object.assign({}, ...some.map((one) => one.headers));
      const content = Object.assign({}, ...some.map((one) => one.content));
      return [
        status,
        {
          description: [...new Set(some.map((one) => one.description))].join('\n\n'),
          ...(Object.keys(headers).length > 0 && { headers }),
          ...(Object.keys(content).length > 0 && { content }),
        },
      ];
    }),
  );
}

const waitParameter = {
  name: 'wait',
  in: 'query',
  required: false,
  description: 'Seconds to wait for the work to end. The header `Prefer: wait=10` does the same.',
  schema: { type: 'integer', minimum: 0, maximum: 30 },
};

function parametersOf(
  { method, params, query, body, success, write, access }: Endpoint,
  schemas: DocumentSchemas,
): Json[] {
  const from = (schema: z.ZodObject | undefined, place: 'path' | 'query') => {
    if (!schema) return [];
    const { properties = {}, required = [] } = schemas.toSchema(schema, 'input') as {
      properties?: Json;
      required?: string[];
    };
    return Object.entries(properties).map(([name, of]) => {
      const { description, ...rest } = of as Json;
      const needed = place === 'path' || required.includes(name);
      return { name, in: place, required: needed, ...(description !== undefined && { description }), schema: rest };
    });
  };
  const header = (name: string, description: string) => ({
    name,
    in: 'header',
    required: false,
    description,
    schema: { type: 'string' },
  });
  return [
    ...from(params, 'path'),
    ...from(query, 'query'),
    ...(write && access !== 'public'
      ? [header('Idempotency-Key', 'Fairlead runs requests with the same key only once')]
      : []),
    ...(['patch', 'put', 'delete'].includes(method) && (body || success.status === 204)
      ? [header('If-Match', 'The `ETag` from when you read the resource')]
      : []),
    ...(success.body instanceof z.ZodObject && 'operation' in success.body.shape ? [waitParameter] : []),
  ];
}

function successesOf(endpoint: Endpoint, schemas: DocumentSchemas): Response[] {
  const { success, others = [], secret, raw } = endpoint;
  // If the caller waits for the operation, or if it has already ended, the response is a 200 with the result.
  const ended = success.status === 202 && !raw ? [{ ...success, status: 200, description: 'The work has ended' }] : [];
  return [...ended, success, ...others].map(({ status, body, description, contentType = 'application/json' }) => ({
    status,
    description: description ?? (secret ? 'Contains a secret that is shown once' : 'Done'),
    headers: headersOf(successHeaders(endpoint, status)),
    content: body ? { [contentType]: { schema: schemas.toSchema(body, 'output') } } : {},
  }));
}

function headersOf(names: (keyof typeof responseHeaders)[]): Json {
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}

/** Returns the problems of the route and of the frame around it. */
function problemsOf({ access, params, body, form, write, problems = [] }: Endpoint): ProblemCode[] {
  const frame: ProblemCode[] = [
    'internal',
    'unavailable',
    'too_many_requests',
    'request_timeout',
    'headers_too_large',
    'invalid_request',
    'secret_unreadable',
  ];
  if (access !== 'public') frame.push('unauthenticated', 'missing_scope', 'csrf_rejected');
  if (params) frame.push('not_found');
  if (body || form) frame.push('body_too_large');
  if (body) frame.push('unsupported_media_type', 'characters_not_allowed');
  if (write) frame.push('precondition_failed');
  if (write && access !== 'public') frame.push('idempotency_key_reused');
  return [...new Set([...frame, ...problems])];
}

function problemResponses(endpoint: Endpoint): Response[] {
  return problemsOf(endpoint).map((code) => {
    const { status, title } = catalogue[code];
    return {
      status,
      description: `\`${code}\`: ${title}`,
      headers: headersOf(problemHeaders(status)),
      content: {
        'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } },
        ...(endpoint.page && { 'text/html': { schema: { type: 'string' } } }),
      },
    };
  });
}
