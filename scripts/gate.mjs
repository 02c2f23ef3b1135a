// The gate: everything that must pass before a change lands. `.ci/run` runs it.
//   node scripts/gate.mjs
// It installs what it needs with apt-get (as root or with sudo). It continues after a failure, so one run shows all
// failures. It fails if a test fails or is skipped, or if a step takes more than 1.5 times its budget. Its last line
// counts the tests and the steps that are not tests.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { runSteps } from './gate/run-steps.mjs';
import { stepsIn, totalBudget } from './gate/steps.mjs';

process.chdir(path.join(import.meta.dirname, '..'));
const folder = mkdtempSync(path.join(tmpdir(), 'fairlead-gate-'));
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort());
try {
  const env = { ...process.env, CI: 'true' };
  const { summary, ok } = await runSteps(stepsIn(folder), { folder, env, totalBudget, signal: stop.signal });
  console.log(summary);
  process.exitCode = ok ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
