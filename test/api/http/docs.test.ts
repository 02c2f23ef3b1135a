import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startApi, type TestApi } from '../../support/api.ts';

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

test.each([
  {
    file: 'viewer.js',
    type: 'text/javascript',
    theirs: 'swagger-ui-bundle.js',
    ours: "SwaggerUIBundle({\n    dom_id: '#viewer'",
  },
  { file: 'viewer.css', type: 'text/css', theirs: 'swagger-ui.css', ours: '.swagger-ui search' },
])('reads $file of the documentation once for many requests', async ({ file, type, theirs, ours }) => {
  const answers = await Promise.all(Array.from({ length: 5 }, () => fetch(`${api.url}/docs/${file}`)));
  for (const answer of answers) {
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toContain(type);
    expect(answer.headers.get('cache-control')).toBe('public, max-age=86400');
    const text = await answer.text();
    expect(text.length).toBeGreaterThan(100_000);
    expect(text).toContain(ours);
  }
  const reads = read.filter((name) => name.includes(theirs));
  expect(reads).toHaveLength(1);
  expect(reads[0]).not.toMatch(/^sync/);
});

test('the page loads scripts and styles from this server only, and none inline', async () => {
  const page = await fetch(`${api.url}/docs`);
  const policy = Object.fromEntries(
    (page.headers.get('content-security-policy') ?? '').split('; ').map((part) => {
      const [name = '', ...values] = part.split(' ');
      return [name, values.join(' ')];
    }),
  );
  expect(policy).toEqual({
    'default-src': "'none'",
    'script-src': "'self'",
    'style-src': "'self'",
    'img-src': 'data:',
    'connect-src': "'self'",
    'frame-ancestors': "'none'",
    'base-uri': "'none'",
    'form-action': "'none'",
  });
});
