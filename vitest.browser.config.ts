import { defineConfig } from 'vitest/config';

const report = process.env['FAIRLEAD_TEST_REPORT'];

/** What needs a real browser: Debian's Chromium, or the one that CHROMIUM_PATH names. */
export default defineConfig({
  test: {
    include: ['test/browser/*.test.ts'],
    globalSetup: 'test/support/global-setup.ts',
    pool: 'forks',
    maxWorkers: 1,
    testTimeout: 90_000,
    hookTimeout: 120_000,
    retry: process.env['CI'] ? 1 : 0,
    ...(report ? { reporters: ['default', ['json', { outputFile: report }]] } : {}),
  },
});
