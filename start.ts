import path from 'node:path';
import { type Config, loadConfig, readEnvFile } from './config.ts';
import { type Product, startProduct } from './product.ts';
import { type Running, run } from './run.ts';

/** Runs `npm start`. */
async function start(): Promise<Running> {
  readEnvFile();
  const config = loadConfig();
  const product = await startProduct(config);
  greet(config, product);
  return { ...product, stopLimitMs: config.stopLimitMs };
}

function greet(config: Config, product: Product): void {
  const { signInCode, temporalUiUrl = 'unknown: set TEMPORAL_UI_URL', where, temporal } = product;
  console.log(`
${temporal.isConnected ? 'Fairlead is ready.' : readyWithout(temporal.address)}

  API          ${config.publicUrl}  (reference: ${config.publicUrl}/docs)
  Sign in      ${config.publicUrl}/sign-in?code=${signInCode}
               (works once, expires in 15 minutes)
  Temporal UI  ${temporalUiUrl}
  Webhooks     ${webhooksOf(config)}
  Data         ${path.isAbsolute(where) ? where : `${where}, ${path.resolve(config.dataDir)}`}

Press Ctrl-C to stop. Your data is kept for the next start.
`);
}

function readyWithout(address: string): string {
  return `Fairlead is ready, but degraded: Temporal at ${address} does not respond.
Webhooks are stored. Fairlead connects to Temporal as soon as it responds, and then starts the builds.
If this does not change, check TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_TLS and TEMPORAL_API_KEY.`;
}

function webhooksOf({ webhooks: { mode, webhookUrl }, publicUrl }: Config): string {
  if (mode === 'push') return `received at ${webhookUrl ?? publicUrl}/v1/webhooks/github`;
  return 'read from GitHub’s log every few seconds, because GitHub cannot reach this address (docs/webhooks.md)';
}

await run(start);
