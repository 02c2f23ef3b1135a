import { existsSync } from 'node:fs';

/**
 * Starts a command: from the JavaScript beside it where `npm run build` has put this folder, otherwise from the sources
 * of the checkout. Here alone the commands are given the environment.
 */
export async function launch(name) {
  const built = new URL('../main.js', import.meta.url);
  if (!existsSync(built)) (await import('tsx/esm/api')).register();
  const { main } = await import(existsSync(built) ? built.href : new URL('../main.ts', import.meta.url).href);
  await main(name, process.argv.slice(2), process.env);
}
