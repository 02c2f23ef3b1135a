import { readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { circlesIn, type File, graphOf, type Import, importsOf, root, sourceFiles, textOf } from './support/house.ts';

/** What each room may import of ours at run time. `x.ts` names one file; `type:` allows `import type` only. */
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
  console: [],
  'stand-ins': [],
};
const openToAll = ['config.ts', 'log.ts'];
const closedToThose = ['workflows', 'domain'];
/** The places that construct everything. */
const mains = /^(start\.ts|(api|worker|db|bench)\/main\.ts)$/;

/** The same twelve names in every room that is sorted by subject. */
const subjects = [
  'people',
  'integrations',
  'github',
  'connect',
  'registries',
  'clouds',
  'secrets',
  'exchange',
  'builds',
  'deliveries',
  'deletion',
  'ops',
];
/** The rooms that are sorted by subject, with their other folders. */
const furtherFolders: Record<string, string[]> = {
  api: ['http'],
  db: ['store', 'migrations'],
  domain: [],
  activities: [],
  broker: ['traffic'],
  providers: ['egress', 'clouds/aws', 'clouds/azure', 'clouds/gcp', 'github/app', 'github/repository'],
  worker: ['relay'],
};
/** The folders that every subject of a room may import. They import no subject but `ops`. */
const below = ['http', 'store', 'egress', 'traffic', 'ops'];
const mostEntries = 20;

const rooms = Object.keys(mayImport).filter((room) => readdirSync(root).includes(room));
const files = rooms.flatMap(sourceFiles);
const texts = new Map(files.map((file) => [file, textOf(file)]));
const imports = [...texts].flatMap(([file, text]) => importsOf(file, text));

const roomOf = (file: File) => file.split('/')[0] ?? '';
/** Returns `api/builds` for `api/builds/apps.ts`, and undefined for a file at the root of its room. */
const subjectOf = (file: File) => file.match(/^([^/]+\/[^/]+)\//)?.[1];
const folderName = (subject: string) => subject.split('/')[1] ?? '';

function complaint({ from, to, typeOnly }: Import): string | undefined {
  const room = roomOf(from);
  const target = roomOf(to);
  if (mains.test(from) || room === target) return undefined;
  const rules = mayImport[room];
  if (!rules) return undefined;
  if (openToAll.includes(to)) {
    return closedToThose.includes(room) && !typeOnly ? `${from} must not import ${to}` : undefined;
  }
  const allowed = rules.some((rule) => rule === target || rule === to || (typeOnly && rule === `type:${target}`));
  return allowed ? undefined : `${from} must not import ${typeOnly ? 'types of ' : ''}${to}`;
}

describe('between rooms', () => {
  test('every room imports only what it may', () => {
    expect(imports.map(complaint).filter(Boolean)).toEqual([]);
    expect(files.length).toBeGreaterThan(20);
  });

  test('a wrong import is found', () => {
    const wrong = (from: string, line: string) => importsOf(from, line).map(complaint).filter(Boolean).length;
    expect(wrong('domain/x.ts', `import { connect } from '../db/connection.ts';`)).toBe(1);
    expect(wrong('domain/people/x.ts', `import { connect } from '../../db/store/connection.ts';`)).toBe(1);
    expect(wrong('api/x.ts', `import { startSync } from '../workflows/sync.ts';`)).toBe(1);
    expect(wrong('api/x.ts', `const { startSync } = await import('../workflows/sync.ts');`)).toBe(1);
    expect(wrong('api/x.ts', `import type { Input } from '../workflows/sync.ts';`)).toBe(0);
    expect(wrong('api/x.ts', `import { githubHost } from '../providers/github/host.ts';`)).toBe(1);
    expect(wrong('console/x.tsx', `import { findApp } from '../api/builds/apps.ts';`)).toBe(1);
    expect(wrong('workflows/x.ts', `import { type A, b } from '../activities/x.ts';`)).toBe(1);
    expect(wrong('workflows/x.ts', `import { createLogger } from '../log.ts';`)).toBe(1);
  });
});

describe('inside a room', () => {
  function misplaced(file: File): boolean {
    const further = furtherFolders[roomOf(file)];
    const folder = file.split('/').slice(1, -1).join('/');
    return Boolean(further && folder) && !subjects.includes(folder) && !further?.includes(folder);
  }

  test('folders have the names of the twelve subjects', () => {
    expect(files.filter(misplaced)).toEqual([]);
    expect(['api/routes/x.ts', 'db/builds/more/x.ts', 'api/builds/x.ts', 'db/x.ts'].filter(misplaced)).toEqual([
      'api/routes/x.ts',
      'db/builds/more/x.ts',
    ]);
  });

  function crowded(all: File[]): string[] {
    const entries = new Map<string, Set<string>>();
    for (const file of all.filter((one) => furtherFolders[roomOf(one)])) {
      for (let entry = file; entry.includes('/'); entry = path.posix.dirname(entry)) {
        const folder = path.posix.dirname(entry);
        entries.set(folder, (entries.get(folder) ?? new Set()).add(entry));
      }
    }
    return [...entries]
      .filter(([folder, inside]) => inside.size > mostEntries && folder !== 'db/migrations')
      .map(([folder]) => folder);
  }

  test(`a folder has at most ${mostEntries} entries`, () => {
    expect(crowded(files)).toEqual([]);
    expect(crowded(Array.from({ length: mostEntries + 1 }, (_, i) => `db/builds/${i}.ts`))).toEqual(['db/builds']);
  });

  test('no files import each other in a circle', () => {
    expect(circlesIn(graphOf(imports.map(({ from, to }) => [from, to])))).toEqual([]);
    expect(circlesIn(graphOf([['a', 'b'], ['b', 'c'], ['c', 'a'], ['c', 'd']]))).toEqual(['a → b → c → a']); // biome-ignore format: one line
  });

  /** Returns the imports between two subject folders of one room. */
  const between = (all: Import[]) =>
    all.flatMap(({ from, to }) => {
      const [a, b] = [subjectOf(from), subjectOf(to)];
      return a && b && a !== b && roomOf(a) === roomOf(b) && furtherFolders[roomOf(a)] ? [{ from, to, a, b }] : [];
    });

  test('no subjects of a room import each other in a circle', () => {
    expect(circlesIn(graphOf(between(imports).map(({ a, b }) => [a, b])))).toEqual([]);
    const wrong = [
      ...importsOf('api/people/x.ts', `import type { A } from '../builds/y.ts';`),
      ...importsOf('api/builds/z.ts', `import { b } from '../people/x.ts';`),
    ];
    expect(circlesIn(graphOf(between(wrong).map(({ a, b }) => [a, b])))).toHaveLength(1);
  });

  /** Returns the imports that go up: from generic folders and `ops` to a subject, and from a subject to `deletion`. */
  const upward = (all: Import[]) =>
    between(all).flatMap(({ from, to, a, b }) => {
      const [source, target] = [folderName(a), folderName(b)];
      const fromBelow = below.includes(source) && !below.includes(target) && target !== 'migrations';
      const fromGeneric = below.includes(source) && source !== 'ops' && target === 'ops';
      return fromBelow || fromGeneric || target === 'deletion' ? [`${from} → ${to}`] : [];
    });

  test('`deletion` stands above the other subjects, generic folders and `ops` below them', () => {
    expect(upward(imports)).toEqual([]);
    const wrong = [
      ...importsOf('db/ops/x.ts', `import { a } from '../builds/y.ts';`),
      ...importsOf('db/store/x.ts', `import { a } from '../ops/y.ts';`),
      ...importsOf('db/builds/x.ts', `import { a } from '../deletion/y.ts';`),
      ...importsOf('db/builds/x.ts', `import { a } from '../ops/y.ts';`),
    ];
    expect(upward(wrong)).toHaveLength(3);
  });
});

describe('the database', () => {
  /** Matches a query: `trx('builds')`, `database.reader('builds')`, `trx.raw(…)`. */
  const query = /\b(?:trx|db|reader|writer|knex)(?:\('|\.(?:raw|schema|select|from|insert|table|with|fn)\b)/;
  const queries = (text: string) =>
    text.split('\n').some((line) => query.test(line) && !/^\s*(\*|\/\/|\/\*)/.test(line));

  test('only `db` queries it', () => {
    expect([...texts].filter(([file, text]) => roomOf(file) !== 'db' && queries(text)).map(([file]) => file)).toEqual(
      [],
    );
    expect([`await trx('builds').first()`, `database.reader('x')`, `trx.raw('select 1')`].every(queries)).toBe(true);
  });

  const rows = (all: Import[]) =>
    all
      .filter(
        ({ from, to, names }) => roomOf(from) !== 'db' && roomOf(to) === 'db' && names.some((n) => /Rows?$/.test(n)),
      )
      .map(({ from }) => from);

  test('rows do not leave `db`', () => {
    expect(rows(imports)).toEqual([]);
    expect(rows(importsOf('api/x.ts', `import type { BuildRow } from '../db/store/tables.ts';`))).toEqual(['api/x.ts']);
  });

  test('`client` of a connection is compared in `db/store` only', () => {
    const compares = (text: string) => /client\s*[!=]==?\s*'(pg|sqlite3)'|client\.config\.client/.test(text);
    const found = [...texts].filter(([file, text]) => !file.startsWith('db/store/') && compares(text));
    expect(found.map(([file]) => file)).toEqual([]);
    expect(compares(`if (db.client.config.client === 'pg')`)).toBe(true);
  });
});

/** The files of `api` that use a repository without a tenant scope, each with the reason. */
const unscopedInApi: Record<File, string> = {
  'api/clouds/consent-landing.ts': 'A browser returns from Google. The state and the cookie of its flow identify it.',
  'api/connect/begin.ts': 'A browser opens a link. The state identifies its flow.',
  'api/connect/browser.ts': 'A cookie binds the browser to its flow. Nobody is signed in.',
  'api/connect/flow-page.ts': 'The page names the account that its own flow has connected.',
  'api/connect/flows.ts': 'The page of a flow is public. Its cookie decides.',
  'api/connect/land.ts': 'A browser returns from GitHub. The state identifies its flow.',
  'api/connect/next-hop.ts': 'A browser continues its own flow. Nobody is signed in.',
  'api/connect/start-flow.ts': 'The limit of open flows counts those of the whole organization.',
  'api/exchange/git-token.ts': 'The installation is found through the integration, which is in the scope.',
  'api/http/caller.ts': 'Makes the scope of a caller.',
  'api/http/mount.ts': 'Waits for the operation that the same request has started.',
  'api/integrations/health.ts': 'An integration that is granted to a project can belong to the whole organization.',
  'api/integrations/unusable.ts':
    'The caller has checked that the project can use the integration, which can belong to the organization.',
  'api/integrations/integration-view.ts': 'Reads the integration again that the same request has changed.',
  'api/people/tokens.ts': 'A scope of one project does not cover the row of its organization.',
  'api/secrets/credential-rotation.ts': 'The flow that created the GitHub App can belong to another project.',
  'api/ops/readiness.ts': 'The readiness of the whole instance has no tenant.',
};

describe('the tenant scope', () => {
  const unscoped = (all: Import[]) => [
    ...new Set(
      all
        .filter(({ from, to, names }) => roomOf(from) === 'api' && roomOf(to) === 'db' && names.some(isUnscoped))
        .map(({ from }) => from),
    ),
  ];
  const isUnscoped = (name: string) => /^all[A-Z]/.test(name) || name === 'everything';

  test('`api` binds every repository to the caller’s scope, except where a reason is listed', () => {
    expect(unscoped(imports).sort()).toEqual(Object.keys(unscopedInApi).sort());
    expect(unscoped(importsOf('api/x.ts', `import { allBuilds } from '../db/builds/builds.ts';`))).toEqual([
      'api/x.ts',
    ]);
  });
});

describe('everywhere', () => {
  test('only config.ts reads the environment', () => {
    const readers = [...texts].filter(([, text]) => /process\.env\b/.test(text)).map(([file]) => file);
    expect(readers).toEqual([]);
    expect(textOf('config.ts')).toContain('process.env');
    // The commands run on machines without our dependencies, so their launcher passes the environment to them.
    expect(textOf('cli/bin/launch.mjs')).toContain('process.env');
  });

  test('only the code that runs Temporal’s server starts programs', () => {
    const starters = [...texts].filter(([, text]) => /child_process/.test(text)).map(([file]) => file);
    expect(starters.filter((file) => !file.startsWith('worker/temporal-server'))).toEqual([]);
  });

  test('tests start the stand-in for GitHub only with test/support/github.ts, which checks for violations', () => {
    const starts = /import \{[^}]*\bstartGitHub\b[^}]*\} from '[^']*stand-ins\/github\/stand-in\.ts'/;
    expect(sourceFiles('test').filter((file) => starts.test(textOf(file)))).toEqual(['test/support/github.ts']);
  });

  test('names say what a thing is', () => {
    const vague =
      /(^|[-/])(manager|service|handler|helper|helpers|util|utils|common|base|data|info|processor|types)\.ts$/;
    expect(files.filter((file) => vague.test(file) && file !== 'api/service.ts')).toEqual([]);
    const folders = files.map((file) => path.posix.dirname(file));
    expect(folders.filter((folder) => /(^|\/)(src|lib|utils|common|types)(\/|$)/.test(folder))).toEqual([]);
  });

  test('no file has a default export or is a barrel', () => {
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
