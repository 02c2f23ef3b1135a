import { defineConfig } from 'vitest/config';

const report = process.env['FAIRLEAD_TEST_REPORT'];

/**
 * What needs programs that npm does not bring: docker-registry, skopeo, crane, docker, htpasswd and moto.
 * `scripts/neighbours.sh` installs them on Debian.
 */
export default defineConfig({
  test: {
    include: ['test/neighbours/**/*.test.ts'],
    globalSetup: 'test/support/global-setup.ts',
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    retry: process.env['CI'] ? 1 : 0,
    ...(report ? { reporters: ['default', ['json', { outputFile: report }]] } : {}),
  },
});
