import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { runSteps } from '../../scripts/gate/run-steps.mjs';
import type { GateReport } from '../support/gate-reporter.ts';
import { isAlive } from '../support/programs/processes.ts';

const root = path.join(import.meta.dirname, '..', '..');

const folder = mkdtempSync(path.join(tmpdir(), 'fairlead-gate-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Step = Parameters<typeof runSteps>[0][number];

const run = (...steps: Step[]) => runSteps(steps, { folder, env: process.env, stdio: 'ignore' });
const lastLine = ({ summary }: { summary: string }) => summary.split('\n').at(-1);
const report = (changes: Partial<GateReport>) => {
  const all: GateReport = { passed: 3, failed: 0, failures: [], skipped: [], retried: [], files: [], ...changes };
  return `echo '${JSON.stringify(all)}' > "$FAIRLEAD_TEST_REPORT"`;
};

test('counts each test, and every other step as one', async () => {
  const result = await run(
    { name: 'install', command: 'true' },
    { name: 'tests', suite: true, budget: 10, command: report({ passed: 7 }) },
  );
  expect(lastLine(result)).toBe('8 passed, 0 failed, 0 skipped');
  expect(result.ok).toBe(true);
});

test('continues after a failed step, and fails at the end', async () => {
  const result = await run({ name: 'one', command: 'exit 3' }, { name: 'two', command: 'true' });
  expect(lastLine(result)).toBe('1 passed, 1 failed, 0 skipped');
  expect(result.summary).toContain('one: exit code 3');
  expect(result.ok).toBe(false);
});

test('fails a step that takes more than 1.5 times its budget', async () => {
  const slow = await run({ name: 'slow', budget: 0.2, command: 'sleep 0.4' });
  expect(slow.ok).toBe(false);
  expect(slow.summary).toMatch(/slow: took \d+ s of 0.2 s/);
  expect((await run({ name: 'almost', budget: 1, command: 'sleep 1.1' })).ok).toBe(true);
});

test('fails when a test is skipped, and names it', async () => {
  const result = await run({ name: 'tests', suite: true, budget: 10, command: report({ skipped: ['a.test.ts > b'] }) });
  expect(lastLine(result)).toBe('3 passed, 0 failed, 1 skipped');
  expect(result.summary).toContain('a.test.ts > b');
  expect(result.ok).toBe(false);
});

test('lists each failure of a suite with its error', async () => {
  const failures = [{ name: 'a.test.ts > d', error: 'no\nat a.ts:1' }];
  const result = await run({ name: 'tests', suite: true, budget: 10, command: report({ failed: 1, failures }) });
  expect(lastLine(result)).toBe('3 passed, 1 failed, 0 skipped');
  expect(result.summary).toContain('Failed tests:\n  a.test.ts > d\n    no\n    at a.ts:1\n');
});

test('names the tests that needed a second try', async () => {
  const result = await run({ name: 'tests', suite: true, budget: 10, command: report({ retried: ['a.test.ts > c'] }) });
  expect(result.summary).toContain('Tests that passed at the second try:\n  a.test.ts > c');
  expect(result.ok).toBe(true);
});

test.each([
  ['wrote no report', 'true'],
  ['ran no test', report({ passed: 0 })],
  ['exit code 1', `${report({})}; exit 1`],
])('fails a suite that %s', async (problem, command) => {
  const result = await run({ name: 'tests', suite: true, budget: 10, command });
  expect(result.summary).toContain(`tests: ${problem}`);
  expect(lastLine(result)).toMatch(/, 1 failed, 0 skipped$/);
});

test('fails when all steps together take more than 1.5 times the total budget', async () => {
  const steps = [1, 2].map((n) => ({ name: `step ${n}`, budget: 1, command: 'sleep 0.3' }));
  const { ok, summary } = await runSteps(steps, { folder, env: process.env, stdio: 'ignore', totalBudget: 0.3 });
  expect(ok).toBe(false);
  expect(summary).toContain('the whole gate: took 1 s of 0.3 s');
  const rest = { folder, env: process.env, stdio: 'ignore' } as const;
  expect(await runSteps(steps, { ...rest, totalBudget: 10 })).toMatchObject({ ok: true });
});

test('ends a step that hangs with all of its processes, and continues', async () => {
  const pidFile = path.join(folder, 'hanging.pid');
  const result = await run(
    { name: 'hangs', budget: 0.2, command: `sleep 600 & echo $! > ${pidFile}; wait` },
    { name: 'next', command: 'true' },
  );
  expect(result.summary).toContain('hangs: ended by SIGTERM');
  expect(lastLine(result)).toBe('1 passed, 1 failed, 0 skipped');
  // A process that has ended counts as alive until its parent has asked for its exit code.
  await expect.poll(() => isAlive(Number(readFileSync(pidFile, 'utf8'))), { timeout: 10_000 }).toBe(false);
});

test('ends the current step and begins no other when it is told to stop', async () => {
  const steps = [
    { name: 'long', command: 'sleep 600' },
    { name: 'next', command: 'true' },
  ];
  const { ok, summary } = await runSteps(steps, {
    folder,
    env: process.env,
    stdio: 'ignore',
    signal: AbortSignal.timeout(200),
  });
  expect(ok).toBe(false);
  expect(summary).toContain('the whole gate: was ended before its end');
  expect(summary).not.toContain('next');
});

test('counts what vitest ran: failures, skipped tests, broken files, and an error outside of the tests', async () => {
  const fixture = path.join(folder, 'fixture');
  mkdirSync(fixture);
  writeFileSync(
    path.join(fixture, 'vitest.config.ts'),
    `import { gateReporter } from '${root}/test/support/gate-reporter.ts';
     export default { test: { root: '${fixture}', include: ['*.check.ts'], reporters: [gateReporter(process.env.FAIRLEAD_TEST_REPORT)] } };`,
  );
  const files = {
    'good.check.ts': `test('passes', () => {});\ntest('skips itself', (context) => context.skip());`,
    'bad.check.ts': `test('passes', () => {});\ntest('fails', () => { throw new Error('no'); });`,
    'broken.check.ts': `throw new Error('not even loaded');`,
  };
  for (const [name, text] of Object.entries(files))
    writeFileSync(
      path.join(fixture, name),
      `import { test } from '${root}/node_modules/vitest/dist/index.js';\n${text}`,
    );
  const vitest = `node ${root}/node_modules/vitest/vitest.mjs run --config ${fixture}/vitest.config.ts`;
  const all = await run({ name: 'fixture', suite: true, budget: 60, command: vitest });
  expect(lastLine(all)).toBe('2 passed, 2 failed, 1 skipped');
  expect(all.summary).toContain('good.check.ts > skips itself');
  expect(all.summary).toContain('Failed tests:\n');
  expect(all.summary).toMatch(/ {2}bad\.check\.ts > fails\n {4}no\n {4}at .*bad\.check\.ts:3\n/);
  expect(all.summary).toMatch(/ {2}broken\.check\.ts\n {4}not even loaded\n/);

  writeFileSync(
    path.join(fixture, 'late.check.ts'),
    `import { test } from '${root}/node_modules/vitest/dist/index.js';\ntest('passes', () => { Promise.reject(new Error('nobody waits for this')); });`,
  );
  const late = await run({ name: 'late', suite: true, budget: 60, command: `${vitest} late` });
  expect(lastLine(late)).toBe('1 passed, 1 failed, 0 skipped');
  expect(late.ok).toBe(false);
}, 60_000);
