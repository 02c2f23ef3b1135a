import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { bundleWorkflowCode } from '@temporalio/worker';

const root = path.join(import.meta.dirname, '..');

/**
 * Returns the workflows as one file. A build contains the bundle. Otherwise it is created once and kept in `.cache/`
 * under a hash of its sources, so that a second start is fast.
 */
export async function workflowBundle(): Promise<{ codePath: string }> {
  const built = path.join(root, 'workflow-bundle.js');
  if (existsSync(built)) return { codePath: built };

  const codePath = path.join(root, '.cache', `workflows-${sourcesHash()}.js`);
  if (!existsSync(codePath)) {
    mkdirSync(path.dirname(codePath), { recursive: true });
    const temporary = `${codePath}.${process.pid}`;
    writeFileSync(temporary, await bundle());
    renameSync(temporary, codePath);
    removeOld(path.dirname(codePath));
  }
  return { codePath };
}

export async function bundle(): Promise<string> {
  const { code } = await bundleWorkflowCode({ workflowsPath: path.join(root, 'workflows'), logger: silent });
  return code;
}

function sourcesHash(): string {
  const hash = createHash('sha256').update(readFileSync(path.join(root, 'package-lock.json')));
  for (const room of ['workflows', 'domain']) {
    const files = readdirSync(path.join(root, room), { recursive: true, encoding: 'utf8' });
    for (const file of files.filter((name) => name.endsWith('.ts')).sort()) {
      hash.update(file).update(readFileSync(path.join(root, room, file)));
    }
  }
  return hash.digest('hex').slice(0, 16);
}

/** Deletes bundles whose sources are gone. A young bundle can belong to a process that is starting. */
function removeOld(folder: string): void {
  const old = (file: string) => Date.now() - statSync(file).mtimeMs > 24 * 60 * 60 * 1000;
  for (const name of readdirSync(folder)) {
    const file = path.join(folder, name);
    if (name.startsWith('workflows-') && old(file)) rmSync(file, { force: true });
  }
}

const nothing = () => {};
const silent = { log: nothing, trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing };
