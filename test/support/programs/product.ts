import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { App, GitHubStandIn, StandInOptions } from '../../../stand-ins/github/stand-in.ts';
import type { TemporalServer } from '../../../worker/temporal-server.ts';
import { createClient } from '../client.ts';
import { startGitHub } from '../github.ts';
import { setUpPlatform, workflowFile } from '../scenes/platform.ts';
import { startRespondingServer } from './own-temporal.ts';
import { freePort, type Program, runFairlead } from './processes.ts';

export const adminToken = 'an-operator-token-of-enough-characters';

/** A process of the product that can be killed and started again with the same data. */
export type Member = {
  program(): Program;
  start(): Promise<void>;
  /** SIGKILL: the process cannot react to it. */
  kill(): Promise<void>;
  /** SIGTERM: the process may finish what it has begun. */
  stop(): Promise<void>;
  /** What all its runs have written. */
  output(): string;
};

type Main = Parameters<typeof runFairlead>[0];

function createMember(main: Main, env: Record<string, string>, ready: RegExp): Member {
  const lives: Program[] = [];
  const program = () => {
    const last = lives.at(-1);
    if (!last) throw new Error(`${main} was not started`);
    return last;
  };
  return {
    program,
    async start() {
      lives.push(runFairlead(main, env));
      await program().line(ready, 120_000);
    },
    async kill() {
      await program().end('SIGKILL');
    },
    async stop() {
      await program().end('SIGTERM');
    },
    output: () => lives.map((life) => life.output()).join('\n'),
  };
}

/** A GitHub with the operator's App, one installation and one repository that can be built. */
export async function startScene(options: StandInOptions = {}, newApp: Parameters<GitHubStandIn['addApp']>[0] = {}) {
  const github = await startGitHub(options);
  const app = github.addApp(newApp);
  const installation = github.addInstallation(app);
  const repository = github.addRepository(installation, {
    defaultBranch: 'main',
    workflows: { '.github/workflows/deploy.yml': workflowFile },
  });
  return {
    github,
    app,
    installation,
    repository,
    /** Commits and pushes. Returns the commit, and whether the webhook was acknowledged. */
    async push({ to, guid }: { to?: string; guid?: string } = {}): Promise<{ sha: string; acknowledged: boolean }> {
      const payload = github.push(repository, { ref: 'refs/heads/main' });
      const sent = github.sendWebhook({ app, event: 'push', payload, ...(to && { to }), ...(guid && { guid }) });
      const status = await sent.then((answer) => answer.status).catch(() => 0);
      return { sha: String(payload['after']), acknowledged: status === 202 };
    },
    /** GitHub's log could restore what Fairlead loses. Without it, an acknowledged delivery must survive on its own. */
    forgetLog(): void {
      github.state.deliveries.length = 0;
    },
    /** The dispatched commits in order: one entry for each request, with any result. */
    dispatched: () =>
      github
        .requests({ method: 'POST', path: /\/dispatches$/ })
        .map(({ body }) => (body as { inputs: Record<string, string> }).inputs['fairlead_sha'] ?? ''),
    /** The builds that the dispatches name. */
    dispatchedBuilds: () =>
      github
        .requests({ method: 'POST', path: /\/dispatches$/ })
        .map(({ body }) => (body as { inputs: Record<string, string> }).inputs['fairlead_build'] ?? ''),
  };
}

export type Scene = Awaited<ReturnType<typeof startScene>>;

function githubSettings(github: GitHubStandIn, app: App): Record<string, string> {
  return {
    FAIRLEAD_ADMIN_TOKEN: adminToken,
    GITHUB_APP_ID: String(app.appId),
    GITHUB_APP_SLUG: app.slug,
    GITHUB_APP_PRIVATE_KEY: app.privateKey,
    GITHUB_APP_WEBHOOK_SECRET: app.webhookSecret,
    GITHUB_APP_CLIENT_ID: app.clientId,
    GITHUB_APP_CLIENT_SECRET: app.clientSecret,
    GITHUB_HOST_URL: github.url,
    GITHUB_API_URL: github.apiUrl,
  };
}

/** A Temporal for one test. It can be stopped, and comes back at the same address with its data. */
export async function startOwnTemporal() {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'fairlead-own-temporal-'));
  const [port, uiPort] = [await freePort(), await freePort()];
  let server: TemporalServer | undefined;
  const start = async () => {
    server = await startRespondingServer({ dataDir, port, uiPort });
  };
  const stop = async () => {
    await server?.stop();
    server = undefined;
  };
  await start();
  return {
    address: `127.0.0.1:${port}`,
    dataDir,
    start,
    stop,
    async remove() {
      await stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** `npm start` with a separate data directory and ports, and with its own Temporal unless one is given. */
export async function startAllInOne({
  github,
  app,
  temporalAddress,
  env = {},
}: {
  github: GitHubStandIn;
  app: App;
  temporalAddress?: string;
  env?: Record<string, string>;
}) {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'fairlead-product-'));
  const [port, temporalPort, uiPort] = [await freePort(), await freePort(), await freePort()];
  const url = `http://127.0.0.1:${port}`;
  app.hookUrl = `${url}/v1/webhooks/github`;
  const member = createMember(
    'start.ts',
    {
      ...githubSettings(github, app),
      FAIRLEAD_PORT: String(port),
      FAIRLEAD_DATA_DIR: dataDir,
      FAIRLEAD_TEMPORAL_PORT: String(temporalPort),
      FAIRLEAD_TEMPORAL_UI_PORT: String(uiPort),
      ...(temporalAddress && { TEMPORAL_ADDRESS: temporalAddress }),
      ...env,
    },
    /Fairlead is ready/,
  );
  await member.start();
  return {
    ...member,
    url,
    /** The public URL that it prints. */
    publicUrl: `http://localhost:${port}`,
    dataDir,
    temporalAddress: temporalAddress ?? `127.0.0.1:${temporalPort}`,
    client: createClient(url, adminToken),
    async remove() {
      await member.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

export type AllInOne = Awaited<ReturnType<typeof startAllInOne>>;

/** Several `api` and `worker` processes on one Postgres and one Temporal. */
export async function startCluster({
  github,
  app,
  apis,
  workers,
  databaseUrl,
  temporalAddress,
  env = {},
}: {
  github: GitHubStandIn;
  app: App;
  apis: number;
  workers: number;
  databaseUrl: string;
  temporalAddress: string;
  env?: Record<string, string>;
}) {
  const shared = {
    ...githubSettings(github, app),
    DATABASE_URL: databaseUrl,
    TEMPORAL_ADDRESS: temporalAddress,
    FAIRLEAD_MASTER_KEYS: `k1:${randomBytes(32).toString('base64')}`,
    ...env,
  };
  const migration = runFairlead('db/main.ts', shared);
  if ((await migration.ended) !== 0) throw new Error(migration.output());

  const api = await Promise.all(
    Array.from({ length: apis }, async () => {
      const port = await freePort();
      const url = `http://127.0.0.1:${port}`;
      return {
        ...createMember('api/main.ts', { ...shared, FAIRLEAD_PORT: String(port) }, /API is ready/),
        url,
        hookUrl: `${url}/v1/webhooks/github`,
        client: createClient(url, adminToken),
      };
    }),
  );
  const worker = Array.from({ length: workers }, () => createMember('worker/main.ts', shared, /worker is ready/));
  for (const member of [...api, ...worker]) await member.start();
  app.hookUrl = api[0]?.hookUrl;
  return {
    api,
    worker,
    output: () => [...api, ...worker].map((member) => member.output()).join('\n'),
    async stop() {
      await Promise.all([...api, ...worker].map((member) => member.stop()));
    },
  };
}

/** A scene with an app of the repository and a pipeline for every push. */
export async function bind(
  { installation, repository }: Scene,
  client: ReturnType<typeof createClient>,
  pipeline: Record<string, unknown> = {},
) {
  return setUpPlatform(client, { installationId: installation.id, repositoryId: repository.id }, pipeline);
}
