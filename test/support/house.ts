import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

export const root = path.join(import.meta.dirname, '..', '..');

/** A source file, as a path from the root of the checkout, with forward slashes. */
export type File = string;
export type Import = { from: File; to: File; typeOnly: boolean; names: string[] };

/** Returns the `.ts` and `.tsx` files below a folder. */
export function sourceFiles(folder: string): File[] {
  return readdirSync(path.join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const name = path.posix.join(folder, entry.name);
    if (entry.isDirectory()) return sourceFiles(name);
    return /\.tsx?$/.test(entry.name) ? [name] : [];
  });
}

export const textOf = (file: File) => readFileSync(path.join(root, file), 'utf8');

/** Returns what the file imports or exports from files of ours, `import('…')` included. */
export function importsOf(file: File, text: string): Import[] {
  const found = text.matchAll(
    /^\s*(?:import|export)\s+(type\s+)?([^'"`;]*?\s+from\s+)?['"](\.{1,2}\/[^'"]+)['"]|\b(typeof\s+)?import\(\s*['"](\.{1,2}\/[^'"]+)['"]/gm,
  );
  return [...found].map(([, type, names = '', to, typeQuery, inline]) => ({
    from: file,
    to: path.posix.join(path.posix.dirname(file), to ?? inline ?? ''),
    typeOnly: Boolean(type) || Boolean(typeQuery) || onlyTypes(names),
    names: namesIn(names).map((name) => name.replace(/^type\s+/, '').replace(/\s+as\s+.*/, '')),
  }));
}

function namesIn(names: string): string[] {
  const list = names.match(/\{([^}]*)\}/)?.[1] ?? '';
  return list
    .split(',')
    .map((name) => name.trim())
    .filter(Boolean);
}

/** `import { type A, type B } from` loads nothing at run time. */
function onlyTypes(names: string): boolean {
  return names.startsWith('{') && namesIn(names).length > 0 && namesIn(names).every((name) => name.startsWith('type '));
}

/** A graph: each node with the nodes that it points to. */
export type Graph = Map<string, Set<string>>;

export function graphOf(edges: readonly (readonly [string, string])[]): Graph {
  const graph: Graph = new Map();
  for (const [from, to] of edges) {
    if (from === to) continue;
    graph.set(from, (graph.get(from) ?? new Set()).add(to));
  }
  return graph;
}

/** Returns one circle for each node at which a depth-first walk meets a node of its own path. */
export function circlesIn(graph: Graph): string[] {
  const done = new Set<string>();
  const circles: string[] = [];
  const walk = (node: string, trail: string[]): void => {
    if (trail.includes(node)) {
      circles.push([...trail.slice(trail.indexOf(node)), node].join(' → '));
      return;
    }
    if (done.has(node)) return;
    for (const next of graph.get(node) ?? []) walk(next, [...trail, node]);
    done.add(node);
  };
  for (const node of graph.keys()) walk(node, []);
  return circles;
}
