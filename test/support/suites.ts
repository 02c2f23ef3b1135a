import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const root = path.join(import.meta.dirname, '..', '..');

/** The files that only `npm run test:flows` runs, because one can take a minute. */
const long = /^test\/(flows|chaos|workflows)\/|^test\/worker\/temporal-/;

/** The files with a separate configuration. They need a browser, or programs that npm does not install. */
const elsewhere = /^test\/(browser|neighbours)\//;

/** The rooms whose tests run on both databases. */
const onBoth = /^test\/(db|api|activities|broker|worker)\//;

/** The long tests that run on Postgres, besides `*.postgres.test.ts`. All other long tests run on SQLite. */
export const flowsOnPostgres = [
  'test/flows/delete-integration.test.ts',
  'test/flows/one-build.test.ts',
  'test/flows/registry-verification.test.ts',
  'test/flows/same-numbers.test.ts',
  'test/flows/sync-installations.test.ts',
  'test/flows/sync-on-demand.test.ts',
];

/** The files that start the product's processes. Two at a time keep the machine busy. */
const startsProcesses = /^test\/(chaos\/|flows\/(canaries|demo|recovery|recovery-past-window|shutdown)\.test)/;

/** The files that measure time, so nothing else runs at the same time. */
const measuresTime = ['test/chaos/recovery.postgres.test.ts', 'test/flows/start.test.ts'];

/** Matches code that changes the whole process. A file with such code gets a separate process. */
export const changesProcess =
  /\bvi\.(useFakeTimers|setSystemTime|spyOn|stubEnv|stubGlobal|mock|doMock|hoisted|resetModules)\(|\bprocess\.env(\[[^\]]+\])? = |\bassign\(process\.env|\bdelete process\.env|\bprocess\.(chdir|on)\(|\bprocess\.exitCode = |\b(globalThis|console|Date|Math)\.\w+ = |\bsyncBuiltinESMExports\(|\bsetGlobalDispatcher\(/;

export const suites = ['rooms', 'flows', 'postgres'] as const;
export type Suite = (typeof suites)[number];

/** A test file, as a path from the root of the checkout, with forward slashes. */
type File = string;

/** Returns all test files of the checkout. */
export function testFiles(): File[] {
  const files = readdirSync(path.join(root, 'test'), { recursive: true, encoding: 'utf8' });
  return files
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => path.posix.join('test', file.replaceAll(path.sep, '/')))
    .sort();
}

/** Returns the suites that run the file. A file with a separate configuration is in no suite. */
export function suitesOf(file: File): Suite[] {
  if (elsewhere.test(file)) return [];
  if (file.endsWith('.postgres.test.ts') || flowsOnPostgres.includes(file)) return ['postgres'];
  if (long.test(file)) return ['flows'];
  if (file.endsWith('.sqlite.test.ts')) return ['rooms'];
  return onBoth.test(file) && usesDatabase(file) ? ['rooms', 'postgres'] : ['rooms'];
}

/**
 * How the files of a suite run:
 * - `shared`: in workers that keep their modules from one file to the next;
 * - `apart`: in a process for each file, because the file changes its process;
 * - `temporal`, `temporalApart`: the same with a Temporal server and the bundle of the workflows;
 * - `processes`: two at a time, when all of these have ended;
 * - `alone`: one after the other, when all others have ended.
 */
const places = ['shared', 'apart', 'temporal', 'temporalApart', 'processes', 'alone'] as const;
type PlaceOfFile = (typeof places)[number];

export function filesOf(suite: Suite): Record<PlaceOfFile, File[]> {
  const files = Object.fromEntries(places.map((place) => [place, [] as File[]])) as ReturnType<typeof filesOf>;
  for (const file of testFiles().filter((one) => suitesOf(one).includes(suite))) files[placeOf(file)].push(file);
  return files;
}

function placeOf(file: File): PlaceOfFile {
  if (measuresTime.includes(file)) return 'alone';
  if (startsProcesses.test(file)) return 'processes';
  const isApart = changesProcess.test(textOf(file));
  if (usesTemporal(file)) return isApart ? 'temporalApart' : 'temporal';
  return isApart ? 'apart' : 'shared';
}

function usesTemporal(file: File): boolean {
  return ['temporal', 'time-skipping'].some((name) => imports(file, `test/support/${name}.ts`));
}

export function usesDatabase(file: File): boolean {
  return imports(file, 'test/support/database.ts');
}

/** Whether the file imports the target, directly or through other files of `test/`. Types do not count. */
function imports(file: File, target: File, seen = new Set<File>()): boolean {
  if (file === target) return true;
  if (seen.has(file)) return false;
  seen.add(file);
  const found = textOf(file).matchAll(/^(?:import|export)\s(?!type\b)[^;]*?from\s+'(\.[^']+)';$/gms);
  return [...found]
    .map(([, specifier = '']) => path.posix.join(path.posix.dirname(file), specifier))
    .some((imported) => imported.startsWith('test/') && imports(imported, target, seen));
}

function textOf(file: File): string {
  return readFileSync(path.join(root, file), 'utf8');
}
