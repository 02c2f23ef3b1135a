import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { z } from 'zod';
import { type Endpoint, endpoint } from '../http/endpoint.ts';
import { precompressed } from '../http/precompressed.ts';
import { docsPage, docsPolicy, docsScript, docsStyles } from './docs-page.ts';

const { resolve } = createRequire(import.meta.url);
const viewerScript = resolve('swagger-ui-dist/swagger-ui-bundle.js');
const viewerStyles = resolve('swagger-ui-dist/swagger-ui.css');

const unchanged = { status: 304, description: 'The same as the copy whose `ETag` you sent as `If-None-Match`' };

/** The OpenAPI document and the page that shows it. `documentOfAll` describes all endpoints, including these. */
export function docsRoutes(documentOfAll: () => object): Endpoint[] {
  const sendDocument = precompressed(async () => Buffer.from(JSON.stringify(documentOfAll())));
  return [
    endpoint({
      method: 'get',
      path: '/openapi.json',
      operationId: 'getOpenApi',
      tag: 'service',
      summary: 'Get the OpenAPI document',
      access: 'public',
      success: { status: 200, body: z.record(z.string(), z.unknown()) },
      others: [unchanged],
      async raw(ctx) {
        ctx.type = 'application/json';
        await sendDocument(ctx);
      },
    }),
    endpoint({
      method: 'get',
      path: '/docs',
      operationId: 'getDocs',
      tag: 'service',
      summary: 'Show the API documentation',
      access: 'public',
      success: { status: 200, body: z.string(), contentType: 'text/html' },
      async raw(ctx) {
        ctx.set('content-security-policy', docsPolicy);
        ctx.body = docsPage;
        ctx.type = 'text/html; charset=utf-8';
      },
    }),
    viewerFile({
      path: '/docs/viewer.js',
      operationId: 'getDocsScript',
      summary: 'Get the script of the documentation page',
      contentType: 'text/javascript',
      content: () => withOurs(viewerScript, docsScript),
    }),
    viewerFile({
      path: '/docs/viewer.css',
      operationId: 'getDocsStyles',
      summary: 'Get the styles of the documentation page',
      contentType: 'text/css',
      content: () => withOurs(viewerStyles, docsStyles),
    }),
  ];
}

type ViewerFile = {
  path: string;
  operationId: string;
  summary: string;
  contentType: string;
  content(): Promise<Buffer>;
};

function viewerFile({ contentType, content, ...names }: ViewerFile): Endpoint {
  const send = precompressed(content);
  return endpoint({
    ...names,
    method: 'get',
    tag: 'service',
    access: 'public',
    success: { status: 200, body: z.string(), contentType },
    others: [unchanged],
    async raw(ctx) {
      ctx.type = contentType;
      await send(ctx);
      ctx.set('cache-control', 'public, max-age=86400');
    },
  });
}

/** Appends `ours` to the file's content. */
async function withOurs(file: string, ours: string): Promise<Buffer> {
  return Buffer.concat([await readFile(file), Buffer.from(`\n${ours}`)]);
}
