import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openStore } from '../../../db/store/open-store.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'fairlead-files-'));
  chmodSync(folder, 0o755);
});
afterEach(() => rmSync(folder, { recursive: true }));

const inFolder = (name: string) => path.join(folder, name);
const modeOf = (name: string) => (statSync(inFolder(name)).mode & 0o777).toString(8);

async function open() {
  const { database, files } = await openStore({ dataDir: folder, databaseUrl: undefined, masterKeys: undefined });
  await database.close();
  return files;
}

test('a start tightens and names the files that other users can read, and leaves foreign files alone', async () => {
  await open();
  const ours = ['fairlead.db', 'master.key', 'temporal.db', 'temporal.db-wal', 'temporal.log', 'temporal.pid'];
  for (const name of [...ours, 'notes-of-the-operator.txt']) {
    writeFileSync(inFolder(name), '', { flag: 'a' });
    chmodSync(inFolder(name), 0o644);
  }
  const files = await open();
  expect(files?.exposed).toEqual([]);
  expect(files?.tightened.sort()).toEqual(ours.map(inFolder).sort());
  expect(ours.map(modeOf)).toEqual(ours.map(() => '600'));
  expect(modeOf('notes-of-the-operator.txt')).toBe('644');
  expect(modeOf('.')).toBe('755');

  expect(await open()).toEqual({ tightened: [], exposed: [] });
});

test('refuses a master key in the data directory that a person could guess', async () => {
  writeFileSync(inFolder('master.key'), `k1:${Buffer.alloc(32).toString('base64')}\n`);
  await expect(open()).rejects.toThrow(/master\.key is easy to guess: it has fewer than 12 different characters/);
});
