import { defineConfig } from 'vitest/config';
import { reporters, testSettings } from './test/support/settings.ts';

/** What needs a real browser: Debian's Chromium, or the one that CHROMIUM_PATH names. */
export default defineConfig({
  test: {
    ...testSettings,
    reporters,
    include: ['test/browser/**/*.test.ts'],
    globalSetup: 'test/support/run-setup.ts',
    maxWorkers: 1,
    testTimeout: 90_000,
    hookTimeout: 120_000,
  },
});
