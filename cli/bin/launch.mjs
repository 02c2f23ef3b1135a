import { existsSync } from 'node:fs';

/**
 * Starts a command: from the built JavaScript if this folder is part of a build, otherwise from the sources of the
 * checkout. This is the only place that passes the environment to the commands.
 */
export async function launch(name) {
  const built = new URL('../main.js', import.meta.url);
  if (!existsSync(built)) (await import('tsx/esm/api')).register();
  const { main } = await import(existsSync(built) ? built.href : new URL('../main.ts', import.meta.url).href);
  await main(name, process.argv.slice(2), process.env);
}
