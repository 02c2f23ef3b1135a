import { writeFileSync } from 'node:fs';
import type { Reporter, TestModule } from 'vitest/node';

/** The result of a test run, for the gate. Times are in milliseconds. */
export type GateReport = {
  passed: number;
  failed: number;
  /** The full names of the tests that were skipped or marked as todo. */
  skipped: string[];
  /** Tests that passed at the second try. */
  retried: string[];
  files: { file: string; ms: number }[];
};

/** Writes the report to a file when the run ends. A file that could not be loaded counts as one failed test. */
export function gateReporter(outputFile: string): Reporter {
  return {
    onTestRunEnd(modules) {
      const report: GateReport = { passed: 0, failed: 0, skipped: [], retried: [], files: [] };
      for (const module of modules) addModule(report, module);
      writeFileSync(outputFile, JSON.stringify(report));
    },
  };
}

function addModule(report: GateReport, module: TestModule): void {
  const { relativeModuleId: file } = module;
  report.files.push({ file, ms: Math.round(module.diagnostic().duration) });
  if (module.state() === 'failed' && module.errors().length > 0) report.failed += 1;
  for (const test of module.children.allTests()) {
    const name = `${file} > ${test.fullName}`;
    const { state } = test.result();
    if (state === 'passed') report.passed += 1;
    else if (state === 'failed') report.failed += 1;
    else report.skipped.push(name);
    if (state === 'passed' && (test.diagnostic()?.retryCount ?? 0) > 0) report.retried.push(name);
  }
}
