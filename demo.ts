import path from 'node:path';
import { ListenError } from './api/http/listen.ts';
import { demoConfig } from './config.ts';
import { startProduct } from './product.ts';
import { type Running, run } from './run.ts';
import { createPlatform } from './stand-ins/demo/platform.ts';
import { type DemoSettings, demoSettings } from './stand-ins/demo/settings.ts';
import { image, robot, seedTown } from './stand-ins/demo/town.ts';
import { walk } from './stand-ins/demo/walk.ts';
import { type GitHubStandIn, startGitHub } from './stand-ins/github/stand-in.ts';
import { type RegistryStandIn, startRegistry } from './stand-ins/registry/stand-in.ts';

/** Runs `npm run demo`: the product with a simulated GitHub and registry, and a tour to follow. */
async function demo(): Promise<Running> {
  const folder = process.argv[2] ?? path.join('data', 'demo');
  const settings = await demoSettings(folder);
  const watching = new AbortController();
  const stops: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const undo of stops.splice(0).reverse()) await undo();
  };

  try {
    const github = await startTown(folder, settings);
    stops.push(github.close);
    const registry = await startImages(settings);
    stops.push(registry.close);
    const config = demoConfig({
      FAIRLEAD_PORT: String(settings.api),
      FAIRLEAD_DATA_DIR: folder,
      FAIRLEAD_TEMPORAL_PORT: String(settings.temporal),
      FAIRLEAD_TEMPORAL_UI_PORT: String(settings.temporalUi),
      FAIRLEAD_METRICS_PORT: '0',
      FAIRLEAD_ADMIN_TOKEN: settings.token,
      FAIRLEAD_ALLOWED_HOSTS: `${github.url} ${registry.url}`,
      // The simulated GitHub runs on this machine, so its webhooks need no public address.
      FAIRLEAD_WEBHOOK_MODE: 'push',
      GITHUB_HOST_URL: github.url,
      GITHUB_API_URL: github.apiUrl,
    });
    const product = await startProduct(config);
    stops.push(product.stop, async () => watching.abort());
    // The steps of the tour are workflows.
    await product.connected;
    const platform = createPlatform(`http://127.0.0.1:${settings.api}`, settings.token);
    const app = await platform.seed(registry.url);
    const connect = (await platform.isConnected()) ? undefined : await platform.startFlow();
    const addresses = {
      api: config.publicUrl,
      github: github.url,
      registry: registry.url,
      temporalUi: product.temporalUiUrl,
    };
    const signIn = `${config.publicUrl}/sign-in?code=${product.signInCode}`;
    console.log(walk({ ...addresses, app, signIn, token: settings.token, folder, connect }));
    if (!app.source) {
      platform.bindSource(app.id, watching.signal).then(
        () => watching.signal.aborted || console.log('The app "shop" has its source now. Continue with step 2: push.'),
        (error) => watching.signal.aborted || console.error(error),
      );
    }
    return { stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startTown(folder: string, { github: port }: DemoSettings): Promise<GitHubStandIn> {
  const memoryFile = path.join(folder, 'simulated-github.json');
  const github = await startGitHub({ port, memoryFile }).catch((error) => taken(error, port, 'GitHub'));
  seedTown(github);
  // As on GitHub, changes send webhooks, runs take time, and a person must authorize.
  return Object.assign(github, { autoRuns: true, runStepMs: 1500, autoWebhooks: true, askToAuthorize: true });
}

/** The registry keeps its images in memory until it stops. */
async function startImages({ registry: port }: DemoSettings): Promise<RegistryStandIn> {
  const access = [{ repository: image, actions: ['pull' as const, 'push' as const] }];
  const users = { [robot.username]: { password: robot.password, access } };
  return startRegistry({ port, users }).catch((error) => taken(error, port, 'registry'));
}

function taken(error: NodeJS.ErrnoException, port: number, what: string): never {
  if (error.code !== 'EADDRINUSE') throw error;
  throw new ListenError(`Port ${port} of the simulated ${what} is in use. Is the demo already running?`);
}

await run(demo);
