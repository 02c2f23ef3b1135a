import { defineConfig } from 'vitest/config';
import { reporters, testSettings } from './test/support/settings.ts';

/**
 * The tests that need programs that npm does not install: docker-registry, skopeo, crane, docker, htpasswd and moto.
 * `scripts/neighbours.sh` installs them on Debian.
 */
export default defineConfig({
  test: {
    ...testSettings,
    reporters,
    include: ['test/neighbours/**/*.test.ts'],
    globalSetup: ['test/support/run-setup.ts', 'test/support/temporal-setup.ts'],
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
