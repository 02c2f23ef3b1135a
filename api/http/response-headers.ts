import type { Endpoint } from './endpoint.ts';

/** Returns whether the endpoint has pages, which have a `Link` to the next page. */
export function isPaged({ query }: Pick<Endpoint, 'query'>): boolean {
  return query !== undefined && 'cursor' in query.shape;
}

/** The headers that `mount` sends with a success, as components of the OpenAPI document. */
export const responseHeaders = {
  ETag: {
    description: 'The revision of the resource. Send it as `If-Match` to change only what you have read.',
    required: true,
    schema: { type: 'string', examples: ['"3"'] },
  },
  Link: {
    description: 'The address of the next page, with `rel="next"`. The last page has no such header.',
    schema: { type: 'string', examples: ['</v1/builds?cursor=Ymxk>; rel="next"'] },
  },
  Location: {
    description: 'The address to which the browser goes next.',
    required: true,
    schema: { type: 'string', format: 'uri-reference' },
  },
  'Retry-After': {
    description: 'Seconds to wait before you send the request again. Sent when Fairlead knows how long.',
    schema: { type: 'string', pattern: '^\\d+$', examples: ['5'] },
  },
};

type HeaderName = keyof typeof responseHeaders;

/** Names the headers of a success with this status. */
export function successHeaders(endpoint: Endpoint, status: number): HeaderName[] {
  const isRedirect = status === 302 || status === 303;
  return [
    ...(endpoint.etag ? (['ETag'] as const) : []),
    ...(isPaged(endpoint) ? (['Link'] as const) : []),
    ...(isRedirect ? (['Location'] as const) : []),
  ];
}

/** Names the headers of a problem. Rate limits, providers and a busy database say how long to wait. */
export function problemHeaders(status: number): HeaderName[] {
  return [429, 502, 503].includes(status) ? ['Retry-After'] : [];
}
