import type { InlineConfig } from 'vitest/node';
import { gateReporter } from './gate-reporter.ts';

const report = process.env['FAIRLEAD_TEST_REPORT'];

/** The settings that all configurations of vitest share. */
export const testSettings = {
  pool: 'forks',
  setupFiles: ['test/support/file-setup.ts'],
  runner: 'test/support/runner.ts',
  testTimeout: 30_000,
  hookTimeout: 90_000,
} satisfies InlineConfig;

/** The reporters of every configuration. The gate counts tests by the report that one of them writes. */
export const reporters = report ? ['default', gateReporter(report)] : ['default'];
