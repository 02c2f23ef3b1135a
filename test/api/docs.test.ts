import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startApi, type TestApi } from '../support/api.ts';

let api: TestApi;
const read: string[] = [];
const { readFileSync } = fs;
const { readFile } = fs.promises;

beforeAll(async () => {
  fs.readFileSync = ((...args: Parameters<typeof readFileSync>) => {
    read.push(`sync ${args[0]}`);
    return readFileSync(...args);
  }) as typeof readFileSync;
  fs.promises.readFile = ((...args: Parameters<typeof readFile>) => {
    read.push(String(args[0]));
    return readFile(...args);
  }) as typeof readFile;
  syncBuiltinESMExports();
  api = await startApi();
});
afterAll(async () => {
  fs.readFileSync = readFileSync;
  fs.promises.readFile = readFile;
  syncBuiltinESMExports();
  await api.stop();
});

test('the script of the documentation is read once, however many ask for it', async () => {
  const answers = await Promise.all(Array.from({ length: 5 }, () => fetch(`${api.url}/docs/redoc.js`)));
  for (const answer of answers) {
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toContain('text/javascript');
    expect((await answer.text()).length).toBeGreaterThan(100_000);
  }
  const ofRedoc = read.filter((file) => file.includes('redoc.standalone'));
  expect(ofRedoc).toHaveLength(1);
  expect(ofRedoc[0]).not.toMatch(/^sync/);
});
