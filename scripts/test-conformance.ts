// Sends requests to a real server. Schemathesis derives them from the OpenAPI document, and checks each response: no
// server error, and a documented status, content type and body.
//   npm run test:conformance
//   npm run test:conformance -- --without 'DELETE /v1/leases/{lease} 202'    (to see it fail)
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import type { GateReport } from '../test/support/gate-reporter.ts';
import { type LiveDocument, withLiveIds, withoutResponse } from './test-conformance/live-document.ts';
import { type Counts, countsOf, operationsThatSucceeded, type RunReport } from './test-conformance/results.ts';
import { startWorld } from './test-conformance/world.ts';

const checks = 'not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance';
/**
 * The runs share the server and run at the same time. The phase `coverage` does not depend on the seed, so only one run
 * has it. Each run has one worker, because Python 3.11 can fail to parse code in several threads at once.
 */
const runs = [
  { seed: 1, phases: 'coverage' },
  { seed: 2, phases: 'examples,fuzzing' },
  { seed: 3, phases: 'fuzzing,stateful' },
];
const requestsPerOperation = 4;
/** The time limit for all runs together. */
const limitMs = 170_000;
/** If fewer operations have a response below 400, the run no longer reaches the product. */
const leastSucceeded = 80;

const root = path.join(import.meta.dirname, '..');
const folder = path.join(root, '.cache', 'conformance');

process.exitCode = await main();

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { without: { type: 'string' } } });
  const installed = spawnSync(path.join(import.meta.dirname, 'test-conformance', 'install.sh'), { stdio: 'inherit' });
  if (installed.status !== 0) return 1;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });

  const world = await startWorld();
  const deadline = AbortSignal.timeout(limitMs);
  try {
    const served = (await (await fetch(`${world.url}/openapi.json`)).json()) as LiveDocument;
    const live = withLiveIds(served, world.ids, world.spare);
    const document = path.join(folder, 'openapi.json');
    writeFileSync(document, JSON.stringify(values.without ? withoutResponse(live, values.without) : live));
    const operations = Object.values(served.paths).flatMap((item) => Object.keys(item)).length;

    const all = await Promise.all(
      runs.map(async ({ seed, phases }) => {
        const report = await runSchemathesis({ document, seed, phases, ...world }, deadline);
        return countsOf(`seed ${seed}`, report, operations);
      }),
    );
    const metrics = await (await fetch(world.metricsUrl)).text();
    return conclude(all, operationsThatSucceeded(metrics), operations);
  } finally {
    await world.stop();
  }
}

type Run = { document: string; seed: number; phases: string; url: string; token: string };

async function runSchemathesis({ document, seed, phases, url, token }: Run, deadline: AbortSignal) {
  const report = path.join(folder, `report-${seed}.json`);
  const args = [
    ...['run', document, '--url', url, '--header', `Authorization: Bearer ${token}`],
    ...['--checks', checks, '--seed', String(seed), '--phases', phases, '--workers', '1'],
    ...['--max-examples', String(requestsPerOperation), '--no-shrink', '--continue-on-failure'],
    ...['--max-redirects', '0', '--request-timeout', '20', '--generation-database', 'none'],
    ...['--suppress-health-check', 'all', '--warnings', 'off', '--no-color'],
    ...['--report', 'json', '--report-json-path', report],
  ];
  const program = path.join(root, '.cache', 'schemathesis', 'bin', 'st');
  const child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (part) => {
    output += part;
  });
  const stop = () => child.kill('SIGKILL');
  deadline.addEventListener('abort', stop, { once: true });
  const code = await new Promise((resolve) => child.once('close', resolve));
  deadline.removeEventListener('abort', stop);
  const seconds = /in ([\d.]+)s =+\s*$/.exec(output)?.[1];
  console.log(`Seed ${seed} (${phases}): exit code ${code} after ${seconds ?? '?'} s`);
  if (code !== 0) console.log(output);
  return readReport(report);
}

function readReport(file: string): RunReport | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as RunReport;
  } catch {
    return undefined;
  }
}

function conclude(all: Counts[], succeeded: number, operations: number): number {
  const problems = all.flatMap((counts) => counts.problems);
  const sum = (of: (counts: Counts) => number) => all.reduce((total, counts) => total + of(counts), 0);
  let [passed, failed] = [sum((counts) => counts.passed), sum((counts) => counts.failed)];
  if (succeeded >= leastSucceeded) passed += 1;
  else {
    failed += 1;
    problems.push(`only ${succeeded} of ${operations} operations succeeded at least once, not ${leastSucceeded}`);
  }
  for (const problem of problems) console.log(`FAILED ${problem}`);
  console.log(`${succeeded} of ${operations} operations succeeded at least once`);
  console.log(`${passed} passed, ${failed} failed`);
  const file = process.env['FAIRLEAD_TEST_REPORT'];
  const failures = problems.map((error) => ({ name: 'conformance', error }));
  const report: GateReport = { passed, failed, failures, skipped: [], retried: [], files: [] };
  if (file) writeFileSync(file, JSON.stringify(report));
  return failed === 0 ? 0 : 1;
}
