import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { bundleWorkflowCode } from '@temporalio/worker';

const root = path.join(import.meta.dirname, '..');

/**
 * The workflows as one file. A build has made it; from the sources it is made once and kept in `.cache/` under a hash
 * of what goes in, so that a second start needs no bundler.
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
    for (const file of readdirSync(path.join(root, room)).sort()) {
      hash.update(file).update(readFileSync(path.join(root, room, file)));
    }
  }
  return hash.digest('hex').slice(0, 16);
}

const nothing = () => {};
const silent = { log: nothing, trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing };
