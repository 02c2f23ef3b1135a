import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestProject } from 'vitest/node';
import { workflowBundle } from '../../worker/bundle.ts';
import { startRespondingServer } from './programs/own-temporal.ts';
import { freePort } from './programs/processes.ts';

declare module 'vitest' {
  // An interface, because vitest's own can only be added to by another.
  interface ProvidedContext {
    temporalAddress: string;
    workflowCodePath: string;
    testServerPath: string;
  }
}

/** Starts one real Temporal server and makes one bundle of the workflows, for all files of the run that use them. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const record = path.join(import.meta.dirname, '..', '..', '.temporal', 'found.json');
  if (!existsSync(record)) throw new Error('There is no Temporal server yet: run `npm test`, which finds one');
  const found = JSON.parse(readFileSync(record, 'utf8')) as { temporal: string; testServer: string };

  const dataDir = mkdtempSync(path.join(tmpdir(), 'fairlead-temporal-'));
  const [port, uiPort] = [await freePort(), await freePort()];
  const [server, { codePath }] = await Promise.all([
    startRespondingServer({ dataDir, port, uiPort, cliPath: found.temporal }),
    workflowBundle(),
  ]);
  project.provide('temporalAddress', server.address);
  project.provide('workflowCodePath', codePath);
  project.provide('testServerPath', found.testServer);
  return async () => {
    await server.stop();
    rmSync(dataDir, { recursive: true, force: true });
  };
}
