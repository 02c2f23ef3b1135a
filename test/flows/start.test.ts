import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { GitHubStandIn } from '../../stand-ins/github/stand-in.ts';
import { createClient } from '../support/client.ts';
import { startGitHub } from '../support/github.ts';
import { startRespondingServer } from '../support/programs/own-temporal.ts';
import { freePort, isAlive, type Program, runProgram } from '../support/programs/processes.ts';
import { listBuilds, setUpPlatform, workflowFile } from '../support/scenes/platform.ts';

const adminToken = 'an-operator-token-of-enough-characters';
const folder = mkdtempSync(path.join(tmpdir(), 'fairlead-start-'));
let github: GitHubStandIn;
let env: Record<string, string>;
let url: string;

const programs: Program[] = [];

function started(program: Program): Program {
  programs.push(program);
  return program;
}

/** `npm start`, as a user types it. */
function npmStart(): Program {
  return started(runProgram('npm', ['start'], env));
}

/** The same without npm. */
function nodeStart(extra: Record<string, string> = {}): Program {
  return started(runProgram(process.execPath, ['--import', 'tsx', 'start.ts'], { ...env, ...extra }));
}

/** Measures how long a process takes to load all of the product's code. */
async function secondsToLoad(): Promise<number> {
  const began = performance.now();
  const load = ['--import', 'tsx', '--input-type=module', '--eval', `await import('./product.ts')`];
  const program = started(runProgram(process.execPath, load, env));
  expect(await program.ended, program.output()).toBe(0);
  return (performance.now() - began) / 1000;
}

// A test that fails in the middle must not keep the ports of the next one.
afterEach(async () => {
  for (const program of programs.splice(0)) if (isAlive(program.pid)) await program.end('SIGTERM');
});

async function childrenGone(pid: number): Promise<void> {
  await expect.poll(() => isAlive(pid), { timeout: 15_000 }).toBe(false);
  await expect.poll(() => answers(Number(env['FAIRLEAD_TEMPORAL_PORT'])), { timeout: 15_000 }).toBe(false);
  expect(await answers(Number(env['FAIRLEAD_PORT']))).toBe(false);
}

function answers(port: number): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/`).then(
    () => true,
    // Temporal speaks gRPC, so a non-HTTP/1 answer also means that it listens.
    (error: { cause?: { code?: string } }) => error.cause?.code !== 'ECONNREFUSED',
  );
}

beforeAll(async () => {
  github = await startGitHub();
  const [port, temporalPort, uiPort] = [await freePort(), await freePort(), await freePort()];
  url = `http://127.0.0.1:${port}`;
  const app = github.addApp({ hookUrl: `${url}/v1/webhooks/github` });
  env = {
    FAIRLEAD_PORT: String(port),
    FAIRLEAD_DATA_DIR: folder,
    FAIRLEAD_TEMPORAL_PORT: String(temporalPort),
    FAIRLEAD_TEMPORAL_UI_PORT: String(uiPort),
    FAIRLEAD_ADMIN_TOKEN: adminToken,
    GITHUB_APP_ID: String(app.appId),
    GITHUB_APP_SLUG: app.slug,
    GITHUB_APP_PRIVATE_KEY: app.privateKey,
    GITHUB_APP_WEBHOOK_SECRET: app.webhookSecret,
    GITHUB_HOST_URL: github.url,
    GITHUB_API_URL: github.apiUrl,
  };
  const installation = github.addInstallation(app);
  const repository = github.addRepository(installation, {
    defaultBranch: 'main',
    workflows: { '.github/workflows/deploy.yml': workflowFile },
  });
  Object.assign(seeded, { app, installation, repository });
});
afterAll(async () => {
  await github.close();
  rmSync(folder, { recursive: true, force: true });
});

const seeded = {} as {
  app: ReturnType<GitHubStandIn['addApp']>;
  installation: ReturnType<GitHubStandIn['addInstallation']>;
  repository: ReturnType<GitHubStandIn['addRepository']>;
};

describe('npm start', () => {
  test('prints where everything is, turns a signed push into one finished build, and leaves nothing behind', async () => {
    // The directory is open to other users, and the umask restricts nothing.
    chmodSync(folder, 0o755);
    const program = started(runProgram('bash', ['-c', 'umask 000 && exec npm start'], env));
    await program.line(/Fairlead is ready/, 120_000);
    const output = program.output();
    expect(output).toContain(`http://localhost:${env['FAIRLEAD_PORT']}`);
    expect(output).toContain(`${env['FAIRLEAD_TEMPORAL_UI_PORT']}`);
    expect(output).toContain(folder);
    const code = /sign-in\?code=([\w-]+)/.exec(output)?.[1] ?? '';

    const signIn = await createClient(url, '').send<{ token: string }>('POST', '/v1/sessions', { code });
    expect(signIn.status).toBe(201);
    const me = createClient(url, signIn.body.token);
    expect((await me.send('GET', '/v1/me')).status).toBe(200);
    expect((await createClient(url, '').send('POST', '/v1/sessions', { code })).status).toBeGreaterThanOrEqual(400);

    const { app, installation, repository } = seeded;
    const { pipelineId } = await setUpPlatform(me, { installationId: installation.id, repositoryId: repository.id });
    const check = await me.ask<{ ok: boolean }>('POST', `/v1/pipelines/${pipelineId}/check`);
    expect(check).toMatchObject({ ok: true });

    const payload = github.push(repository, { ref: 'refs/heads/main' });
    const answer = await github.sendWebhook({ app, event: 'push', payload, installation });
    expect(answer.status).toBe(202);
    await expect.poll(async () => (await listBuilds(me))[0]?.status, { timeout: 20_000 }).toBe('running');

    const [run] = [...github.state.runs.values()];
    if (!run) throw new Error('The stand-in saw no run');
    const finished = github.progressRun(run, { status: 'completed', conclusion: 'success' });
    await github.sendWebhook({ app, event: 'workflow_run', payload: finished, installation });
    await expect.poll(async () => (await listBuilds(me))[0]?.status, { timeout: 20_000 }).toBe('succeeded');
    expect(await listBuilds(me)).toHaveLength(1);
    expect(github.requests({ method: 'POST', path: /\/dispatches$/ })).toHaveLength(1);
    await expect
      .poll(
        () =>
          github
            .requests({ method: 'POST', path: /\/statuses\// })
            .map(({ body }) => (body as { state: string }).state),
        {
          timeout: 15_000,
        },
      )
      .toEqual(['pending', 'success']);

    expect(modesOf(folder)).toEqual(allPrivate());
    expect(statSync(folder).mode & 0o777).toBe(0o755);
    await program.end('SIGTERM');
    await childrenGone(program.pid);
  }, 180_000);

  test('starts again within ten seconds and three times the loading time of its code', async () => {
    // Both times are measured in the same minute, so a busy machine slows both.
    const before = await secondsToLoad();
    const began = performance.now();
    const program = npmStart();
    await program.line(/Fairlead is ready/, 120_000);
    const taken = (performance.now() - began) / 1000;
    const builds = await listBuilds(createClient(url, adminToken));
    expect(builds.map(({ status }) => status)).toEqual(['succeeded']);
    await program.end('SIGINT');
    await childrenGone(program.pid);
    const loading = (before + (await secondsToLoad())) / 2;
    console.info(`The second start took ${taken.toFixed(1)} s, the loading ${loading.toFixed(1)} s`);
    expect(taken).toBeLessThan(3 * loading);
    // Loading grows with the code, so the ratio alone would let the start grow too.
    expect(taken).toBeLessThan(10);
  }, 180_000);

  test('works again after everything except Temporal was killed, behind a proxy variable that points nowhere', async () => {
    // These modes are those of an earlier version.
    for (const name of readdirSync(folder)) chmodSync(path.join(folder, name), 0o644);
    // No proxy is needed for Temporal, nor for the simulated GitHub on this machine.
    const nowhere = `http://127.0.0.1:${await freePort()}`;
    const first = nodeStart({ HTTPS_PROXY: nowhere, https_proxy: nowhere, http_proxy: nowhere, grpc_proxy: nowhere });
    await first.line(/Fairlead is ready/, 60_000);
    expect(modesOf(folder)).toEqual(allPrivate());
    const [, tightened = ''] = await first.line(/"files":(\[[^\]]*\]).*Their mode is 600 now/);
    expect(JSON.parse(tightened)).toEqual(
      expect.arrayContaining(['fairlead.db', 'master.key', 'temporal.db'].map((name) => path.join(folder, name))),
    );
    await first.end('SIGKILL');
    const second = npmStart();
    await second.line(/Fairlead is ready/, 60_000);
    expect(await listBuilds(createClient(url, adminToken))).toHaveLength(1);
    await second.end();
    await childrenGone(second.pid);
  }, 150_000);
});

describe('a Temporal that does not respond at the start', () => {
  test('does not stop webhooks: each is stored, and builds once when Temporal comes', async () => {
    const port = await freePort();
    const temporal = { dataDir: mkdtempSync(path.join(tmpdir(), 'fairlead-late-')), port, uiPort: await freePort() };
    const before = github.requests({ method: 'POST', path: /\/dispatches$/ }).length;
    const program = nodeStart({ TEMPORAL_ADDRESS: `127.0.0.1:${port}` });
    const { app, installation, repository } = seeded;
    const send = async () => {
      const payload = github.push(repository, { ref: 'refs/heads/main' });
      return (await github.sendWebhook({ app, event: 'push', payload, installation })).status;
    };
    const readiness = async () => (await fetch(`${url}/readyz`)).json();

    // The intake is open long before the start has given up on Temporal.
    const alive = () => fetch(`${url}/healthz`).then(({ status }) => status, () => 0); // biome-ignore format: one line
    await expect.poll(alive, { timeout: 10_000 }).toBe(200);
    expect(await send()).toBe(202);
    expect(program.output()).not.toContain('Fairlead is ready');
    await program.line(/Fairlead is ready, but degraded: Temporal at 127\.0\.0\.1:\d+ does not respond/, 60_000);
    expect(program.output()).toMatch(/sign-in\?code=/);
    await expect.poll(readiness, { timeout: 20_000 }).toEqual({ status: 'degraded', reason: 'temporal_away' });
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    expect(await send()).toBe(202);
    const me = createClient(url, adminToken);
    const statuses = async () => (await listBuilds(me)).map(({ status }) => status).sort();
    const waiting = ['queued', 'queued', 'succeeded'];
    await expect.poll(statuses, { timeout: 20_000 }).toEqual(waiting);
    expect(github.requests({ method: 'POST', path: /\/dispatches$/ })).toHaveLength(before);

    const server = await startRespondingServer(temporal);
    try {
      await expect.poll(readiness, { timeout: 30_000 }).toEqual({ status: 'ok', reason: null });
      await program.line(/Temporal is connected, and the worker runs/, 30_000);
      await expect.poll(statuses, { timeout: 30_000 }).toEqual(['running', 'running', 'succeeded']);
      const dispatches = github.requests({ method: 'POST', path: /\/dispatches$/ }).slice(before);
      const dispatched = dispatches.map(({ body }) => (body as { inputs: Record<string, string> }).inputs);
      const running = (await listBuilds(me)).filter(({ status }) => status === 'running').map(({ id }) => id);
      expect(dispatched.map((inputs) => inputs['fairlead_build']).sort()).toEqual(running.sort());
      expect(await program.end('SIGTERM')).toBe(0);
    } finally {
      await server.stop();
      rmSync(temporal.dataDir, { recursive: true, force: true });
    }
  }, 180_000);

  test('does not delay a stop', async () => {
    const program = nodeStart({ TEMPORAL_ADDRESS: `127.0.0.1:${await freePort()}` });
    await program.line(/ready, but degraded/, 60_000);
    const began = performance.now();
    expect(await program.end('SIGTERM')).toBe(0);
    expect(performance.now() - began).toBeLessThan(8_000);
  }, 90_000);
});

function modesOf(directory: string): Record<string, string> {
  const modes = readdirSync(directory).map((name) => [
    name,
    statSync(path.join(directory, name)).mode.toString(8).slice(-3),
  ]);
  return Object.fromEntries(modes);
}

function allPrivate(): Record<string, string> {
  const names = Object.keys(modesOf(folder));
  expect(names).toEqual(
    expect.arrayContaining(['fairlead.db', 'fairlead.db-wal', 'temporal.db', 'temporal.log', 'master.key']),
  );
  return Object.fromEntries(names.map((name) => [name, '600']));
}

describe('names what prevents the start in one sentence, with an exit code', () => {
  async function refusal(extra: Record<string, string>): Promise<string> {
    const program = nodeStart(extra);
    expect(await program.ended).toBe(1);
    const lines = program
      .output()
      .trim()
      .split('\n')
      .filter((line) => line.startsWith('fairlead: '));
    expect(lines).toHaveLength(1);
    expect(program.output()).not.toMatch(/\n\s+at /);
    return lines[0] ?? '';
  }

  test('a taken port', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const port = (other.address() as { port: number }).port;
    expect(await refusal({ FAIRLEAD_PORT: String(port) })).toMatch(new RegExp(`Port ${port} is taken.*FAIRLEAD_PORT`));
    other.close();
  });

  test('a data directory that cannot be created', async () => {
    expect(await refusal({ FAIRLEAD_DATA_DIR: '/proc/fairlead' })).toMatch(/\/proc\/fairlead cannot be written/);
  });

  test('a taken port of its Temporal server', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const port = String((other.address() as { port: number }).port);
    expect(await refusal({ FAIRLEAD_TEMPORAL_PORT: port })).toMatch(
      new RegExp(`Port ${port} of the Temporal server is in use.*FAIRLEAD_TEMPORAL_PORT`),
    );
    other.close();
  });

  test('a Temporal program that does not exist', async () => {
    expect(await refusal({ TEMPORAL_CLI_PATH: '/nothing/temporal' })).toMatch(
      /The Temporal server failed: spawn \/nothing\/temporal ENOENT/,
    );
  });

  test('a malformed address of Temporal', async () => {
    const program = nodeStart({
      TEMPORAL_ADDRESS: 'http://temporal.internal',
      TEMPORAL_TLS_CA_FILE: '/nothing/ca.pem',
    });
    expect(await program.ended).toBe(1);
    expect(program.output()).toMatch(/TEMPORAL_ADDRESS: must be host:port/);
    expect(program.output()).toMatch(/TEMPORAL_TLS_CA_FILE: names a file that does not exist/);
  });

  test('a wrong master key', async () => {
    const wrong = `k1:${randomBytes(32).toString('base64')}`;
    expect(await refusal({ FAIRLEAD_MASTER_KEYS: wrong })).toMatch(/"k1" is not the one that sealed/);
  });

  test('SQLite for several processes', async () => {
    const program = runProgram(process.execPath, ['--import', 'tsx', 'api/main.ts'], env);
    expect(await program.ended).toBe(1);
    expect(program.output()).toMatch(/SQLite serves one process only: set DATABASE_URL/);
  });
});
