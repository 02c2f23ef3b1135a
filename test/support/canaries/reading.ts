import { expect } from 'vitest';
import { idPrefixes } from '../../../domain/ids.ts';
import type { Client } from '../client.ts';

type Operation = { security?: unknown[] };
type Document = { paths: Record<string, Record<string, Operation>> };

/** The prefix of the ids for each parameter. */
const prefixes: Record<string, string> = {
  org: idPrefixes.organization,
  project: idPrefixes.project,
  app: idPrefixes.app,
  pipeline: idPrefixes.pipeline,
  integration: idPrefixes.integration,
  repository: idPrefixes.repository,
  build: idPrefixes.build,
  delivery: idPrefixes.delivery,
  operation: idPrefixes.operation,
  incident: idPrefixes.incident,
  flow: idPrefixes.flow,
  account: idPrefixes.cloudAccount,
  github_app: idPrefixes.githubApp,
};
/** The number of ids that are read for each parameter: the newest ones. */
const most = 8;

/** Records the statuses that each kind of caller gets from every `GET` route of the product. */
export function createReading(document: Document, seen: () => string) {
  const templates = Object.entries(document.paths).flatMap(([path, methods]) => (methods['get'] ? [path] : []));
  const patterns = templates.map((path) => ({
    path,
    pattern: new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '([^/]+)')}$`),
    // A path without parameters takes precedence over one with parameters.
    isExact: !path.includes('{'),
  }));
  const templateOf = (path: string) =>
    patterns.filter(({ pattern }) => pattern.test(path)).sort((a, b) => Number(b.isExact) - Number(a.isExact))[0]?.path;
  /** All statuses by path and caller. */
  const visits = new Map<string, Map<string, Set<number>>>();

  const idsIn = (text: string, parameter: string): string[] => {
    return [...new Set(text.match(new RegExp(`(?<!\\w)${prefixes[parameter]}_[\\da-z]{26}(?!\\w)`, 'g')))].slice(-most);
  };

  return {
    note(method: string, path: string, caller: string, status: number): void {
      const template = method === 'GET' ? templateOf(path) : undefined;
      if (!template) return;
      const callers = visits.get(template) ?? new Map<string, Set<number>>();
      visits.set(template, callers.set(caller, (callers.get(caller) ?? new Set()).add(status)));
    },

    /** Calls every `GET` route that needs only ids, or one of these queries. The lists come first, to learn the ids. */
    async readAll(client: Client, queries: Record<string, string>): Promise<void> {
      const read = async (path: string, address = path) => {
        const { status } = await client.send('GET', `${address}${queries[path] ?? ''}`, undefined, { accept: '*/*' });
        expect(status, address).toBeLessThan(500);
      };
      const isList = (path: string) => !path.includes('{');
      for (const path of templates.filter(isList)) await read(path);
      const text = seen();
      const ids = Object.fromEntries(Object.keys(prefixes).map((name) => [name, idsIn(text, name)]));
      const filled = (path: string): string[] => {
        const parameter = /\{(\w+)\}/.exec(path)?.[1];
        if (!parameter) return [path];
        const known = ids[parameter];
        if (!known) throw new Error(`Say in "prefixes" how an id of {${parameter}} begins`);
        return known.flatMap((id) => filled(path.replace(`{${parameter}}`, id)));
      };
      for (const path of templates.filter((one) => !isList(one))) {
        for (const address of filled(path)) await read(path, address);
      }
    },

    /** Whether the route requires a sign-in. */
    isGuarded: (path: string) => document.paths[path]?.['get']?.security?.length !== 0,

    /** Returns the paths that served none of these callers. A redirect counts as served. */
    missed(callers: string[]): string[] {
      const isServed = (path: string, caller: string) =>
        [...(visits.get(path)?.get(caller) ?? [])].some((status) => status < 400);
      return templates.filter((path) => !callers.some((caller) => isServed(path, caller)));
    },
  };
}
