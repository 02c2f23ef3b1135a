export type Found<Route> = { route: Route; params: Record<string, string> };

/**
 * Finds the route of a path. Octokit writes a slash in a parameter as `%2F`, so each segment is decoded alone.
 * `{+name}` matches the rest. A more literal route comes before a less literal one.
 */
export function createRouter<Route extends { method: string; path: string }>(routes: Route[]) {
  const compiled = routes
    .map((route) => ({ route, segments: route.path.split('/').slice(1) }))
    .sort((a, b) => literal(b.segments) - literal(a.segments));

  return function find(method: string, path: string): Found<Route> | undefined {
    const given = path.split('/').slice(1).map(decode);
    for (const { route, segments } of compiled) {
      const params = route.method === method ? match(segments, given) : undefined;
      if (params) return { route, params };
    }
    return undefined;
  };
}

function literal(segments: string[]): number {
  return segments.filter((segment) => !segment.startsWith('{')).length;
}

function match(segments: string[], given: string[]): Record<string, string> | undefined {
  const params: Record<string, string> = {};
  for (const [index, segment] of segments.entries()) {
    const value = given[index];
    if (value === undefined || value === '') return undefined;
    if (segment.startsWith('{+')) {
      params[segment.slice(2, -1)] = given.slice(index).join('/');
      return params;
    }
    if (segment.startsWith('{')) params[segment.slice(1, -1)] = value;
    else if (segment !== value) return undefined;
  }
  return given.length === segments.length ? params : undefined;
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
