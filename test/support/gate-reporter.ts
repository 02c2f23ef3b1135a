import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import type { TestError } from 'vitest';
import type { Reporter, TestModule } from 'vitest/node';

/** The result of a test run, for the gate. Times are in milliseconds. */
export type GateReport = {
  passed: number;
  failed: number;
  /** Each failed test, and each file that could not be loaded: its name, its errors and where they arose. */
  failures: { name: string; error: string }[];
  /** The full names of the tests that were skipped or marked as todo. */
  skipped: string[];
  /** Tests that passed at the second try. */
  retried: string[];
  files: { file: string; ms: number }[];
};

/** The most characters of an error's message, which may print whole objects. */
const longestMessage = 600;

/** Writes the report to a file when the run ends. A file that could not be loaded counts as one failed test. */
export function gateReporter(outputFile: string): Reporter {
  return {
    onTestRunEnd(modules) {
      const report: GateReport = { passed: 0, failed: 0, failures: [], skipped: [], retried: [], files: [] };
      for (const module of modules) addModule(report, module);
      writeFileSync(outputFile, JSON.stringify(report));
    },
  };
}

function addModule(report: GateReport, module: TestModule): void {
  const { relativeModuleId: file } = module;
  report.files.push({ file, ms: Math.round(module.diagnostic().duration) });
  if (module.state() === 'failed' && module.errors().length > 0) fail(report, file, module.errors());
  for (const test of module.children.allTests()) {
    const name = `${file} > ${test.fullName}`;
    const { state, errors } = test.result();
    if (state === 'passed') report.passed += 1;
    else if (state === 'failed') fail(report, name, errors ?? []);
    else report.skipped.push(name);
    if (state === 'passed' && (test.diagnostic()?.retryCount ?? 0) > 0) report.retried.push(name);
  }
}

function fail(report: GateReport, name: string, errors: readonly TestError[]): void {
  report.failed += 1;
  report.failures.push({ name, error: told(errors) });
}

/** The errors' messages, each with the place in a test or in the product where it arose. */
function told(errors: readonly TestError[]): string {
  return errors
    .map(({ message, diff, stacks }) => {
      const place = stacks?.[0];
      const at = place && `at ${path.relative(process.cwd(), place.file)}:${place.line}`;
      return [message.slice(0, longestMessage), diff?.slice(0, longestMessage), at].filter(Boolean).join('\n');
    })
    .map(stripVTControlCharacters)
    .join('\n');
}
