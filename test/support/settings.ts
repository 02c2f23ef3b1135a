import type { InlineConfig } from 'vitest/node';
import { gateReporter } from './gate-reporter.ts';

const report = process.env['FAIRLEAD_TEST_REPORT'];

/** What all configurations of vitest have in common. */
export const testSettings = {
  pool: 'forks',
  setupFiles: ['test/support/file-setup.ts'],
  runner: 'test/support/runner.ts',
  testTimeout: 30_000,
  hookTimeout: 90_000,
} satisfies InlineConfig;

/** Belongs beside the settings in the root of a configuration: the gate counts by what this writes. */
export const reporters = report ? ['default', gateReporter(report)] : ['default'];
