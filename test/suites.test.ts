import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { retries } from './support/retries.ts';
import {
  changesProcess,
  filesOf,
  flowsOnPostgres,
  suites,
  suitesOf,
  testFiles,
  usesDatabase,
} from './support/suites.ts';

const root = path.join(import.meta.dirname, '..');
const textOf = (file: string) => readFileSync(path.join(root, file), 'utf8');

test('runs every test file, and at most once in each suite', () => {
  const run = suites.flatMap((suite) => Object.values(filesOf(suite)).flat());
  const withOwnConfiguration = testFiles().filter((file) => /^test\/(browser|neighbours)\//.test(file));
  expect([...new Set([...run, ...withOwnConfiguration])].sort()).toEqual(testFiles());
  for (const suite of suites) {
    const files = Object.values(filesOf(suite)).flat();
    expect(new Set(files).size, suite).toBe(files.length);
  }
});

test('runs on Postgres only the tests that use a database', () => {
  const onPostgres = Object.values(filesOf('postgres')).flat();
  expect(onPostgres.length).toBeGreaterThan(80);
  expect(onPostgres.filter((file) => !usesDatabase(file))).toEqual([]);
});

test('runs the tests of db, api and activities on both databases, and each long test on one', () => {
  for (const file of testFiles().filter((one) => /^test\/(db|api|activities)\//.test(one) && usesDatabase(one))) {
    const only = /\.(postgres|sqlite)\.test\.ts$/.exec(file)?.[1];
    const expected = { postgres: ['postgres'], sqlite: ['rooms'] }[only ?? ''] ?? ['rooms', 'postgres'];
    expect(suitesOf(file), file).toEqual(expected);
  }
  for (const file of testFiles().filter((one) => /^test\/(flows|chaos|workflows)\//.test(one)))
    expect(suitesOf(file), file).toHaveLength(1);
  expect(flowsOnPostgres.filter((file) => !testFiles().includes(file))).toEqual([]);
});

test('runs a file that changes its process in a separate process', () => {
  const changes = [
    "vi.spyOn(console, 'log')",
    'vi.useFakeTimers()',
    "process.env['A'] = 'b'",
    "delete process.env['A']",
    'process.env = before',
    'process.chdir(folder)',
    'console.log = print',
    'globalThis.fetch = other',
    'syncBuiltinESMExports()',
  ];
  for (const change of changes) expect(changesProcess.test(change), change).toBe(true);
  for (const harmless of ["process.env['A'] === 'b'", 'vi.waitFor(work)', 'globalThis.fetch(url)'])
    expect(changesProcess.test(harmless), harmless).toBe(false);
  const apart = suites.flatMap((suite) => filesOf(suite).apart);
  expect(apart).toContain('test/api/http/docs.test.ts');
  const shared = suites.flatMap((suite) => [...filesOf(suite).shared, ...filesOf(suite).temporal]);
  expect(shared.filter((file) => changesProcess.test(textOf(file)))).toEqual([]);
});

test('retries at most five tests, all of which exist and have a reason', () => {
  expect(retries.length).toBeLessThanOrEqual(5);
  for (const { file, test: name, reason } of retries) {
    expect(textOf(file), file).toContain(name);
    expect(reason.length, name).toBeGreaterThan(30);
  }
});

test('skips no test', () => {
  const skips = /\b(?:test|describe|it)\.(?:skip|only|todo|skipIf|fails)\b|\bretry: \d/;
  for (const skipping of ['test.skip(', 'test.skipIf(', "test('x', { retry: 2 }"])
    expect(skips.test(skipping), skipping).toBe(true);
  const files = testFiles().filter((file) => file !== 'test/suites.test.ts');
  expect(files.filter((file) => skips.test(textOf(file)))).toEqual([]);
});
