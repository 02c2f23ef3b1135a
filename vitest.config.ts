import { defineConfig } from 'vitest/config';
import { reporters, testSettings } from './test/support/settings.ts';
import { filesOf, type Suite } from './test/support/suites.ts';

/** `npm test` runs `rooms`. `npm run test:flows` and `npm run test:postgres` set the variables for their suites. */
const suite: Suite = process.env['TEST_DATABASE_URL']
  ? 'postgres'
  : process.env['FAIRLEAD_TESTS'] === 'flows'
    ? 'flows'
    : 'rooms';
const { shared, apart, temporal, temporalApart, processes, alone } = filesOf(suite);
const startsTemporal = 'test/support/temporal-setup.ts';

const projects = [
  // Workers keep their modules. Importing the product again for each file would take a fifth of the time.
  { name: 'shared', include: shared, isolate: false, maxWorkers: 2 },
  { name: 'apart', include: apart, maxWorkers: 2 },
  { name: 'temporal', include: temporal, isolate: false, maxWorkers: 2, globalSetup: startsTemporal },
  { name: 'temporal apart', include: temporalApart, maxWorkers: 2, globalSetup: startsTemporal },
  { name: 'processes', include: processes, maxWorkers: 2, sequence: { groupOrder: 1 } },
  { name: 'alone', include: alone, maxWorkers: 1, sequence: { groupOrder: 2 } },
];

export default defineConfig({
  test: {
    ...testSettings,
    reporters,
    globalSetup: 'test/support/run-setup.ts',
    projects: projects
      .filter(({ include }) => include.length > 0)
      .map((project) => ({ test: { ...testSettings, ...project } })),
  },
});
