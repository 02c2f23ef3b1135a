import type { IncomingMessage, ServerResponse } from 'node:http';
import { endpointsOf } from '../../api/app.ts';
import type { ApiDeps } from '../../api/http/deps.ts';
import { openApiDocument } from '../../api/openapi.ts';

type Responses = Record<string, { content?: Record<string, unknown> }>;
type Document = { paths: Record<string, Record<string, { responses: Responses }>> };

/** The routes do not depend on the server, so each test worker reads them once. */
let routes: ReturnType<typeof readRoutes> | undefined;

/**
 * Compares the responses of a server with its OpenAPI document. A status or a content type that the operation does not
 * list is a complaint.
 */
export function compareWithDocument() {
  routes ??= readRoutes();
  const known = routes;
  const complaints = new Set<string>();

  return {
    complaints,
    watch(request: IncomingMessage, response: ServerResponse): void {
      const [path = ''] = (request.url ?? '').split('?');
      const method = (request.method ?? '').toLowerCase();
      response.once('finish', () => {
        const found = known.find(({ pattern, operations }) => pattern.test(path) && operations[method]);
        if (!found) return;
        const { statusCode } = response;
        const name = `${request.method} ${found.route} ${statusCode}`;
        const documented = found.operations[method]?.responses[statusCode];
        if (!documented) complaints.add(`${name} is not documented`);
        const type = String(response.getHeader('content-type') ?? '').split(';')[0] ?? '';
        const types = Object.keys(documented?.content ?? {});
        if (documented && type !== '' && !types.includes(type)) complaints.add(`${name} is ${type}, not ${types}`);
      });
    },
  };
}

function readRoutes() {
  const { paths } = openApiDocument(endpointsOf({} as ApiDeps)) as Document;
  return (
    Object.entries(paths)
      .map(([route, operations]) => ({ route, operations, pattern: patternOf(route) }))
      // The router prefers a path without parameters.
      .sort((one, other) => Number(one.route.includes('{')) - Number(other.route.includes('{')))
  );
}

function patternOf(route: string): RegExp {
  const text = route.replaceAll(/[.*+?^$()|[\]\\]/g, '\\$&').replaceAll(/\{\w+\}/g, '[^/]+');
  return new RegExp(`^${text}$`);
}
