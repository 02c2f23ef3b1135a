import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { runSteps } from '../../scripts/gate/run-steps.mjs';
import type { GateReport } from '../support/gate-reporter.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'fairlead-gate-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Step = Parameters<typeof runSteps>[0][number];

const run = (...steps: Step[]) => runSteps(steps, { folder, env: process.env, stdio: 'ignore' });
const lastLine = ({ summary }: { summary: string }) => summary.split('\n').at(-1);
const report = (changes: Partial<GateReport>) => {
  const all: GateReport = { passed: 3, failed: 0, skipped: [], retried: [], files: [], ...changes };
  return `echo '${JSON.stringify(all)}' > "$FAIRLEAD_TEST_REPORT"`;
};

test('counts each test, and every other step as one', () => {
  const result = run(
    { name: 'install', command: 'true' },
    { name: 'tests', suite: true, budget: 10, command: report({ passed: 7 }) },
  );
  expect(lastLine(result)).toBe('8 passed, 0 failed, 0 skipped');
  expect(result.ok).toBe(true);
});

test('continues after a failed step, and fails at the end', () => {
  const result = run({ name: 'one', command: 'exit 3' }, { name: 'two', command: 'true' });
  expect(lastLine(result)).toBe('1 passed, 1 failed, 0 skipped');
  expect(result.summary).toContain('one: exit code 3');
  expect(result.ok).toBe(false);
});

test('fails a step that takes more than 1.5 times its budget', () => {
  const slow = run({ name: 'slow', budget: 0.2, command: 'sleep 0.4' });
  expect(slow.ok).toBe(false);
  expect(slow.summary).toMatch(/slow: took \d+ s of 0.2 s/);
  expect(run({ name: 'almost', budget: 1, command: 'sleep 1.1' }).ok).toBe(true);
});

test('fails when a test is skipped, and names it', () => {
  const result = run({ name: 'tests', suite: true, budget: 10, command: report({ skipped: ['a.test.ts > b'] }) });
  expect(lastLine(result)).toBe('3 passed, 0 failed, 1 skipped');
  expect(result.summary).toContain('a.test.ts > b');
  expect(result.ok).toBe(false);
});

test('names the tests that needed a second try', () => {
  const result = run({ name: 'tests', suite: true, budget: 10, command: report({ retried: ['a.test.ts > c'] }) });
  expect(result.summary).toContain('Tests that passed at the second try:\n  a.test.ts > c');
  expect(result.ok).toBe(true);
});

test.each([
  ['wrote no report', 'true'],
  ['ran no test', report({ passed: 0 })],
  ['exit code 1', `${report({})}; exit 1`],
])('fails a suite that %s', (problem, command) => {
  const result = run({ name: 'tests', suite: true, budget: 10, command });
  expect(result.summary).toContain(`tests: ${problem}`);
  expect(lastLine(result)).toMatch(/, 1 failed, 0 skipped$/);
});
