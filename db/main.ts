import { loadConfig, readEnvFile } from '../config.ts';
import { run } from '../run.ts';
import { openStore } from './store/open-store.ts';

/** `npm run migrate`: brings the schema up to date and exits. */
await run(async () => {
  readEnvFile();
  const { database, where } = await openStore(loadConfig());
  await database.close();
  console.log(`${where}: the schema is up to date`);
  process.exit(0);
});
