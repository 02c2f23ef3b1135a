import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { listen } from '../../../api/http/listen.ts';
import { catalogue, Problem, type ProblemCode, problemDocument } from '../../../api/http/problems.ts';

const lines = readFileSync(new URL('../../../docs/problems.md', import.meta.url), 'utf8').split('\n');
const documented = lines.flatMap((line) => {
  const [, code, status, title, advice] = /^\| `(\w+)` \| (\d+) \| (.+?) \| (.+?) \|$/.exec(line) ?? [];
  return code ? [{ code, status: Number(status), title, advice }] : [];
});

test('docs/problems.md lists all codes in order, with the same texts', () => {
  const inCode = Object.entries(catalogue).map(([code, { status, title }]) => ({ code, status, title }));
  expect(documented.map(({ code, status, title }) => ({ code, status, title }))).toEqual(inCode);
});

test('Every line says how to fix the problem', () => {
  for (const { code, advice = '' } of documented) expect(advice.length, code).toBeGreaterThan(10);
});

test.each(Object.keys(catalogue) as ProblemCode[])('%s becomes a problem document with its own code', (code) => {
  const document = problemDocument(new Problem(code, 'Do this.'), 'request-1');
  expect(document).toMatchObject({
    type: `urn:fairlead:problem:${code}`,
    code,
    status: catalogue[code].status,
    title: catalogue[code].title,
    detail: 'Do this.',
    request_id: 'request-1',
  });
});

test('The port returns a problem until the API serves', async () => {
  const listening = await listen({ host: '127.0.0.1', port: 0 });
  const response = await fetch(`http://127.0.0.1:${listening.port}/v1/projects`);
  const document = await response.json();
  await listening.stop(0);
  expect(response.status).toBe(503);
  expect(response.headers.get('retry-after')).toBe('1');
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  expect(document).toMatchObject({ code: 'unavailable', status: 503, title: catalogue.unavailable.title });
});
