import { defineConfig } from 'vitest/config';

const report = process.env['FAIRLEAD_TEST_REPORT'];

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/support/global-setup.ts',
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 90_000,
    // Where .ci/run counts.
    ...(report ? { reporters: ['default', ['json', { outputFile: report }]] } : {}),
  },
});
