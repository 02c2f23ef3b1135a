import { get, type IncomingHttpHeaders } from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import zlib, { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startApi, type TestApi } from '../../support/api.ts';

let api: TestApi;
/** The total size of all compressed inputs. */
const compressed: { br: number[]; gzip: number[] } = { br: [], gzip: [] };
const { brotliCompress, gzip } = zlib;

beforeAll(async () => {
  zlib.brotliCompress = ((...args: Parameters<typeof brotliCompress>) => {
    compressed.br.push((args[0] as Buffer).length);
    return brotliCompress(...args);
  }) as typeof brotliCompress;
  zlib.gzip = ((...args: Parameters<typeof gzip>) => {
    compressed.gzip.push((args[0] as Buffer).length);
    return gzip(...args);
  }) as typeof gzip;
  syncBuiltinESMExports();
  api = await startApi();
});
afterAll(async () => {
  zlib.brotliCompress = brotliCompress;
  zlib.gzip = gzip;
  syncBuiltinESMExports();
  await api.stop();
});

type Answer = { status: number; headers: IncomingHttpHeaders; body: Buffer };

/** Returns the bytes as the server sends them: `fetch` would decompress them. */
function read(path: string, headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    get(`${api.url}${path}`, { headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) });
      });
    }).on('error', reject);
  });
}

const files = ['/openapi.json', '/docs/viewer.js', '/docs/viewer.css'];

test.each(files)('serves %s in the encoding that each client accepts', async (path) => {
  const plain = await read(path);
  const br = await read(path, { 'accept-encoding': 'gzip, deflate, br, zstd' });
  const gz = await read(path, { 'accept-encoding': 'gzip' });

  expect(brotliDecompressSync(br.body).equals(plain.body)).toBe(true);
  expect(gunzipSync(gz.body).equals(plain.body)).toBe(true);
  for (const { body } of [br, gz]) expect(body.length).toBeLessThan(plain.body.length / 3);

  const all = [plain, br, gz];
  expect(all.map(({ headers }) => headers['content-encoding'])).toEqual([undefined, 'br', 'gzip']);
  expect(new Set(all.map(({ headers }) => headers['content-type'])).size).toBe(1);
  expect(new Set(all.map(({ headers }) => headers.etag)).size).toBe(3);
  for (const { status, headers, body } of all) {
    expect({ status, vary: headers.vary, length: headers['content-length'] }).toEqual({
      status: 200,
      vary: 'Accept-Encoding',
      length: String(body.length),
    });
    expect(headers.etag).toMatch(/^"[\w-]{43}"$/);
  }
});

test.each([
  ['', undefined],
  ['deflate', undefined],
  ['br;q=0', undefined],
  ['br;q=0, gzip;q=0', undefined],
  ['identity', undefined],
  ['identity;q=0', undefined],
  ['*;q=0', undefined],
  ['gzip;q=broken', undefined],
  ['identity, gzip;q=0.5', undefined],
  ['*', 'br'],
  ['*;q=0, gzip', 'gzip'],
  ['BR', 'br'],
  ['gzip;q=1.0, br;q=0.5', 'gzip'],
  ['gzip; q=0.5, br', 'br'],
  ['br;q=0, *', 'gzip'],
])('returns the encoding for the Accept-Encoding header %j', async (accepted, encoding) => {
  const { headers } = await read('/openapi.json', { 'accept-encoding': accepted });
  expect(headers['content-encoding']).toBe(encoding);
});

test.each(files)('returns 304 for %s if the client has it in the same encoding', async (path) => {
  const gz = await read(path, { 'accept-encoding': 'gzip' });
  const known = { 'if-none-match': `"other", ${gz.headers.etag}` };

  const same = await read(path, { ...known, 'accept-encoding': 'gzip' });
  expect(same).toMatchObject({ status: 304, headers: { etag: gz.headers.etag, vary: 'Accept-Encoding' } });
  expect(same.headers['cache-control']).toBe(gz.headers['cache-control']);
  expect(same.body).toHaveLength(0);
  expect((await read(path, { ...known, 'accept-encoding': 'br' })).status).toBe(200);
  expect((await read(path, known)).status).toBe(200);
});

test('compresses each file once for each encoding', async () => {
  const asked = files.flatMap((path) => ['br', 'gzip'].map((encoding) => ({ path, encoding })));
  await Promise.all(
    [...asked, ...asked, ...asked].map(({ path, encoding }) => read(path, { 'accept-encoding': encoding })),
  );
  const sizes = await Promise.all(files.map(async (path) => (await read(path)).body.length));
  expect(compressed.br.toSorted()).toEqual(sizes.toSorted());
  expect(compressed.gzip.toSorted()).toEqual(sizes.toSorted());
});
