import path from 'node:path';
import { type Config, loadConfig, readEnvFile } from './config.ts';
import { type Product, startProduct } from './product.ts';
import { type Running, run } from './run.ts';

/** `npm start`. */
async function start(): Promise<Running> {
  readEnvFile();
  const config = loadConfig();
  const product = await startProduct(config);
  greet(config, product);
  return { ...product, stopLimitMs: config.stopLimitMs };
}

function greet(config: Config, product: Product): void {
  const { signInCode, temporalUiUrl = 'not known: set TEMPORAL_UI_URL', where } = product;
  console.log(`
Fairlead is ready.

  API          ${config.publicUrl}  (read it at ${config.publicUrl}/docs)
  Sign in      ${config.publicUrl}/sign-in?code=${signInCode}
               (works once, within 15 minutes)
  Temporal UI  ${temporalUiUrl}
  Webhooks     ${webhooksOf(config)}
  Data         ${path.isAbsolute(where) ? where : `${where}, ${path.resolve(config.dataDir)}`}

Ctrl-C stops everything; the next start finds everything again.
`);
}

function webhooksOf({ webhooks: { mode, webhookUrl }, publicUrl }: Config): string {
  if (mode === 'push') return `taken at ${webhookUrl ?? publicUrl}/v1/webhooks/github`;
  return 'read from GitHub’s log every few seconds, since GitHub cannot reach this address (docs/webhooks.md)';
}

await run(start);
