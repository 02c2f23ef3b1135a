import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { z } from 'zod';
import { type Endpoint, endpoint } from '../http/endpoint.ts';
import { docsPage, docsPolicy, docsScript, docsStyles } from './docs-page.ts';

const { resolve } = createRequire(import.meta.url);
const viewerScript = resolve('swagger-ui-dist/swagger-ui-bundle.js');
const viewerStyles = resolve('swagger-ui-dist/swagger-ui.css');

/** The OpenAPI document and the page that shows it. `documentOfAll` describes all endpoints, including these. */
export function docsRoutes(documentOfAll: () => object): Endpoint[] {
  let document: string | undefined;
  return [
    endpoint({
      method: 'get',
      path: '/openapi.json',
      operationId: 'getOpenApi',
      tag: 'service',
      summary: 'Get the OpenAPI document',
      access: 'public',
      success: { status: 200, body: z.record(z.string(), z.unknown()) },
      async raw(ctx) {
        document ??= JSON.stringify(documentOfAll());
        ctx.body = document;
        ctx.type = 'application/json';
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
      content: readOnce(viewerScript, docsScript),
    }),
    viewerFile({
      path: '/docs/viewer.css',
      operationId: 'getDocsStyles',
      summary: 'Get the styles of the documentation page',
      contentType: 'text/css',
      content: readOnce(viewerStyles, docsStyles),
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
  return endpoint({
    ...names,
    method: 'get',
    tag: 'service',
    access: 'public',
    success: { status: 200, body: z.string(), contentType },
    async raw(ctx) {
      ctx.set('cache-control', 'public, max-age=86400');
      ctx.body = await content();
      ctx.type = contentType;
    },
  });
}

/** Reads a file at the first request, and again only if that read failed. Appends `ours` to the file's content. */
function readOnce(file: string, ours: string): () => Promise<Buffer> {
  let content: Promise<Buffer> | undefined;
  return () => {
    content ??= readFile(file).then((theirs) => Buffer.concat([theirs, Buffer.from(`\n${ours}`)]));
    content.catch(() => {
      content = undefined;
    });
    return content;
  };
}
