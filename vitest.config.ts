import { defineConfig } from 'vitest/config';

const report = process.env['FAIRLEAD_TEST_REPORT'];
const onPostgres = Boolean(process.env['TEST_DATABASE_URL']);
/** `npm run test:flows` runs what `npm test` leaves out; on Postgres all of it is run. */
const onlyLong = process.env['FAIRLEAD_TESTS'] === 'flows';

/** What follows the product through a day, kills it, or waits for it: up to minutes for a file. */
const long = [
  'test/flows/*.test.ts',
  'test/chaos/*.test.ts',
  'test/workflows/*.test.ts',
  'test/worker/temporal-*.test.ts',
];

/** Tests that start the product's own processes, and look at the clock: they have the machine to themselves. */
const processes = [
  'test/flows/start.test.ts',
  'test/flows/demo.test.ts',
  'test/flows/canaries.test.ts',
  'test/flows/shutdown.test.ts',
  'test/flows/recovery.test.ts',
  'test/flows/recovery-past-window.test.ts',
  'test/chaos/**',
];

/** What has nothing to do with a database, or always uses SQLite, is not run a second time on Postgres. */
const notOnPostgres = [
  'test/*.test.ts',
  'test/{cli,domain,providers,scripts,stand-ins}/**',
  'test/flows/{start,demo,canaries,shutdown,recovery,recovery-past-window}.test.ts',
  'test/worker/temporal-*.test.ts',
  'test/chaos/!(*.postgres).test.ts',
];
/** What needs a browser, or programs that npm does not bring, has a configuration of its own. */
const exclude = [
  ...(onlyLong || onPostgres ? [] : long),
  'test/browser/**',
  'test/neighbours/**',
  ...(onPostgres ? notOnPostgres : ['test/**/*.postgres.test.ts']),
];

export default defineConfig({
  test: {
    pool: 'forks',
    testTimeout: 30_000,
    hookTimeout: 90_000,
    // The gate's machine may be busy with something else for a moment; locally every failure shows at once.
    retry: process.env['CI'] ? 1 : 0,
    // Where .ci/run counts.
    ...(report ? { reporters: ['default', ['json', { outputFile: report }]] } : {}),
    projects: [
      {
        extends: true,
        test: {
          name: 'rooms',
          include: onlyLong ? long : ['test/**/*.test.ts'],
          exclude: [...exclude, ...processes],
          globalSetup: 'test/support/global-setup.ts',
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'processes',
          include: processes.map((pattern) => pattern.replace('**', '*.test.ts')),
          exclude,
          globalSetup: 'test/support/global-setup.ts',
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
