import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

/** What each room may import at run time, of ours. `x.ts` names one file; `type:` allows `import type` only. */
const mayImport: Record<string, string[]> = {
  domain: [],
  db: ['domain'],
  providers: ['domain'],
  broker: ['db', 'providers', 'domain'],
  activities: ['broker', 'providers', 'db', 'domain'],
  workflows: ['domain', 'type:activities'],
  api: ['broker', 'db', 'domain', 'workflows/ids.ts', 'type:workflows'],
  worker: ['activities', 'db', 'domain', 'workflows/ids.ts', 'type:workflows', 'type:broker'],
  cli: ['domain'],
  'stand-ins': [],
};
const openToAll = ['config.ts', 'log.ts'];
const closedToThose = ['workflows', 'domain'];
/** The places that construct everything. */
const mains = /^(start\.ts|(api|worker|db|bench)\/main\.ts)$/;

type Import = { from: string; to: string; typeOnly: boolean };

function sourceFiles(folder: string): string[] {
  return readdirSync(path.join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const name = path.posix.join(folder, entry.name);
    if (entry.isDirectory()) return sourceFiles(name);
    return entry.name.endsWith('.ts') ? [name] : [];
  });
}

function importsOf(file: string, text: string): Import[] {
  const found = text.matchAll(/^\s*(?:import|export)\s+(type\s+)?([^'"`;]*?\s+from\s+)?['"](\.{1,2}\/[^'"]+)['"]/gm);
  return [...found].map(([, type, names = '', to = '']) => ({
    from: file,
    to: path.posix.normalize(path.posix.join(path.posix.dirname(file), to)),
    typeOnly: Boolean(type) || onlyTypes(names),
  }));
}

/** `import { type A, type B } from` brings nothing at run time. */
function onlyTypes(names: string): boolean {
  const list = names.match(/^\{([^}]*)\}/)?.[1];
  if (!list) return false;
  return list
    .split(',')
    .map((name) => name.trim())
    .filter(Boolean)
    .every((name) => name.startsWith('type '));
}

function complaint({ from, to, typeOnly }: Import): string | undefined {
  const room = from.split('/')[0] ?? '';
  const target = to.split('/')[0] ?? '';
  if (mains.test(from) || room === target) return undefined;
  const rules = mayImport[room];
  if (!rules) return undefined;
  if (openToAll.includes(to)) {
    return closedToThose.includes(room) && !typeOnly ? `${from} must not import ${to}` : undefined;
  }
  const allowed = rules.some((rule) => rule === target || rule === to || (typeOnly && rule === `type:${target}`));
  return allowed ? undefined : `${from} must not import ${typeOnly ? 'types of ' : ''}${to}`;
}

const rooms = Object.keys(mayImport).filter((room) => readdirSync(root).includes(room));
const files = rooms.flatMap(sourceFiles);
const texts = new Map(files.map((file) => [file, readFileSync(path.join(root, file), 'utf8')]));

describe('the house', () => {
  test('every room imports only what it may', () => {
    const complaints = [...texts].flatMap(([file, text]) => importsOf(file, text).map(complaint));
    expect(complaints.filter(Boolean)).toEqual([]);
    expect(files.length).toBeGreaterThan(20);
  });

  test('a wrong import is seen', () => {
    const wrong = (from: string, line: string) => importsOf(from, line).map(complaint).filter(Boolean).length;
    expect(wrong('domain/x.ts', `import { connect } from '../db/store/connection.ts';`)).toBe(1);
    expect(wrong('api/x.ts', `import { startSync } from '../workflows/sync.ts';`)).toBe(1);
    expect(wrong('api/x.ts', `import type { Input } from '../workflows/sync.ts';`)).toBe(0);
    expect(wrong('api/x.ts', `import { githubHost } from '../providers/github/host.ts';`)).toBe(1);
    expect(wrong('workflows/x.ts', `import { type A, b } from '../activities/x.ts';`)).toBe(1);
    expect(wrong('workflows/x.ts', `import { createLogger } from '../log.ts';`)).toBe(1);
  });

  test('only config.ts reads the environment', () => {
    const readers = [...texts].filter(([, text]) => /process\.env\b/.test(text)).map(([file]) => file);
    expect(readers).toEqual([]);
    expect(readFileSync(path.join(root, 'config.ts'), 'utf8')).toContain('process.env');
    // The commands run where nothing is installed, not even what config.ts needs: their launcher hands it to them.
    expect(readFileSync(path.join(root, 'cli', 'bin', 'launch.mjs'), 'utf8')).toContain('process.env');
  });

  test('programs are started only by what runs Temporal’s server', () => {
    const starters = [...texts].filter(([, text]) => /child_process/.test(text)).map(([file]) => file);
    expect(starters.filter((file) => !file.startsWith('worker/temporal-server'))).toEqual([]);
  });

  test('tests start the stand-in for GitHub only with test/support/github.ts, which checks for violations', () => {
    const all = sourceFiles('test').map((file) => [file, readFileSync(path.join(root, file), 'utf8')] as const);
    const starts = /import \{[^}]*\bstartGitHub\b[^}]*\} from '[^']*stand-ins\/github\/stand-in\.ts'/;
    expect(all.filter(([, text]) => starts.test(text)).map(([file]) => file)).toEqual(['test/support/github.ts']);
  });

  test('names say what a thing is', () => {
    const vague =
      /(^|[-/])(manager|service|handler|helper|helpers|util|utils|common|base|data|info|processor|types)\.ts$/;
    expect(files.filter((file) => vague.test(file) && file !== 'api/service.ts')).toEqual([]);
    const folders = files.map((file) => path.posix.dirname(file));
    expect(folders.filter((folder) => /(^|\/)(src|lib|utils|common|types)(\/|$)/.test(folder))).toEqual([]);
  });

  test('nothing is exported by default or for a shorter path', () => {
    expect([...texts].filter(([, text]) => /^export default/m.test(text)).map(([file]) => file)).toEqual([]);
    const barrels = files.filter((file) => file.endsWith('/index.ts'));
    expect(barrels.filter((file) => !/^(workflows|activities)\/index\.ts$/.test(file))).toEqual([]);
  });

  test('files stay small', () => {
    const lengths = [...texts].map(([file, text]) => ({ file, lines: text.split('\n').length }));
    const sorted = lengths.map(({ lines }) => lines).sort((a, b) => a - b);
    expect(sorted[Math.floor(sorted.length / 2)]).toBeLessThan(100);
    expect(lengths.filter(({ file, lines }) => lines > 320 && file !== 'db/store/tables.ts')).toEqual([]);
  });
});
