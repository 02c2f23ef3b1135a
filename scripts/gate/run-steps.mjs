import { spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import path from 'node:path';

/**
 * A step and the whole gate may take this many times their budget before they fail, because a machine can be slow or
 * busy. A step may take `patience` times its budget before it is ended.
 */
const tolerance = 1.5;
const patience = 3;
/** The time limit of a step that only installs something. */
const longestInstall = 1_200;

/** How long a step may take to stop its own processes. */
const graceMs = 20_000;

/**
 * Runs the steps in order, and continues after a step that fails. Returns `{ summary, ok }`. The summary is a table of
 * steps and seconds, the failed tests with their errors, a list of the problems, and `N passed, N failed, N skipped` as
 * its last line. A step that hangs is ended. After `signal` the current step is ended and no other begins.
 */
export async function runSteps(steps, { folder, env, totalBudget, signal, stdio = 'inherit' }) {
  const done = [];
  for (const [index, step] of steps.entries()) {
    if (signal?.aborted) break;
    console.log(`::: ${step.name}`);
    const outcome = await runStep(step, { report: path.join(folder, `report-${index}.json`), env, stdio, signal });
    if (outcome.problems.length > 0) console.log(`::: FAILED: ${step.name}: ${outcome.problems.join('; ')}`);
    done.push(outcome);
  }
  const budgeted = done.filter(({ budget }) => budget).reduce((total, { seconds }) => total + seconds, 0);
  if (totalBudget && budgeted > totalBudget * tolerance)
    done.push(failure('the whole gate', `took ${budgeted.toFixed(0)} s of ${totalBudget} s`));
  if (signal?.aborted) done.push(failure('the whole gate', 'was ended before its end'));
  const sum = (count) => done.reduce((total, outcome) => total + count(outcome), 0);
  const counts = [sum(({ passed }) => passed), sum(({ failed }) => failed), sum(({ skipped }) => skipped.length)];
  const [, failed, skipped] = counts;
  return {
    summary: [
      ...table(done),
      ...listing(
        'Skipped tests, which fail the gate',
        done.flatMap(({ skipped: names }) => names),
      ),
      ...listing(
        'Tests that passed at the second try',
        done.flatMap(({ retried }) => retried),
      ),
      ...listing(
        'Failed tests',
        done.flatMap(({ failures }) => failures.flatMap(({ name, error }) => [name, ...indented(error)])),
      ),
      ...listing(
        'Problems',
        done.flatMap(({ name, problems }) => problems.map((problem) => `${name}: ${problem}`)),
      ),
      `${counts[0]} passed, ${counts[1]} failed, ${counts[2]} skipped`,
    ].join('\n'),
    ok: failed === 0 && skipped === 0,
  };
}

function failure(name, problem) {
  return {
    name,
    seconds: 0,
    problems: [problem],
    passed: 0,
    failed: 1,
    failures: [],
    skipped: [],
    retried: [],
    files: [],
  };
}

async function runStep({ name, command, budget, suite }, { report, env, stdio, signal: stop }) {
  rmSync(report, { force: true });
  const begun = performance.now();
  const limit = budget ? budget * patience : longestInstall;
  const { status, signal, error } = await runCommand(command, {
    stdio,
    env: suite ? { ...env, FAIRLEAD_TEST_REPORT: report } : env,
    stop: AbortSignal.any([AbortSignal.timeout(Math.round(limit * 1000)), ...(stop ? [stop] : [])]),
  });
  const seconds = (performance.now() - begun) / 1000;
  const counted = suite ? readReport(report) : undefined;
  const problems = [];
  if (status !== 0) problems.push(error?.message ?? (signal ? `ended by ${signal}` : `exit code ${status}`));
  if (suite && !counted) problems.push('wrote no report');
  if (counted && counted.passed + counted.failed === 0) problems.push('ran no test');
  if (budget && seconds > budget * tolerance) problems.push(`took ${seconds.toFixed(0)} s of ${budget} s`);
  const { passed = 0, failed = 0, failures = [], skipped = [], retried = [], files = [] } = counted ?? {};
  // A suite that fails without a failed test counts as one failure, and so does any other failed step.
  const isUncounted = problems.length > 0 && failed === 0;
  return {
    name,
    budget,
    seconds,
    problems,
    passed: suite ? passed : Number(problems.length === 0),
    failed: isUncounted ? 1 : failed,
    failures,
    skipped,
    retried,
    files,
  };
}

/** Runs the command in a process group of its own, so that all of it can be ended. Resolves to how it ended. */
function runCommand(command, { stdio, env, stop }) {
  return new Promise((resolve) => {
    const child = spawn('bash', ['-c', command], { stdio, env, detached: true });
    const end = (signal) => {
      try {
        process.kill(-child.pid, signal);
      } catch {
        // The process has ended.
      }
    };
    let killing;
    const onStop = () => {
      end('SIGTERM');
      killing = setTimeout(() => end('SIGKILL'), graceMs);
    };
    stop.addEventListener('abort', onStop, { once: true });
    child.once('error', (error) => resolve({ status: null, signal: null, error }));
    child.once('exit', (status, signal) => {
      clearTimeout(killing);
      stop.removeEventListener('abort', onStop);
      resolve({ status, signal });
    });
  });
}

function readReport(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

function table(done) {
  const width = Math.max(...done.map(({ name }) => name.length));
  const row = (...cells) => `${cells[0].padEnd(width)}  ${cells[1].padStart(8)}  ${cells[2].padStart(8)}  ${cells[3]}`;
  const total = (outcomes) => outcomes.reduce((seconds, outcome) => seconds + outcome.seconds, 0).toFixed(0);
  return [
    '',
    row('step', 'seconds', 'budget', 'slowest files, in seconds'),
    ...done.map(({ name, seconds, budget, files, problems }) =>
      row(
        name,
        seconds.toFixed(0),
        budget ? String(budget) : '',
        problems.length > 0 ? `FAILED ${slowest(files)}` : slowest(files),
      ),
    ),
    row('all without installs', total(done.filter(({ budget }) => budget)), '', ''),
    row('all', total(done), '', ''),
    '',
  ];
}

function slowest(files) {
  const byTime = [...files].sort((one, other) => other.ms - one.ms).slice(0, 3);
  return byTime.map(({ file, ms }) => `${path.basename(file, '.test.ts')} ${(ms / 1000).toFixed(0)}`).join(', ');
}

function listing(title, lines) {
  return lines.length === 0 ? [] : [`${title}:`, ...lines.map((line) => `  ${line}`), ''];
}

function indented(text) {
  return text.split('\n').map((line) => `  ${line}`);
}
