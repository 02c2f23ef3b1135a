import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import type { StandInOptions } from '../../../stand-ins/github/stand-in.ts';
import type { Permissions } from '../../../stand-ins/github/state.ts';
import { startGitHub } from '../../support/github.ts';
import { workflowFile } from '../../support/scenes/platform.ts';
import { appJwt, ask } from './ask.ts';

/** A stand-in that closes with the test. */
export async function github(options?: StandInOptions) {
  const standIn = await startGitHub(options);
  onTestFinished(() => standIn.close());
  return standIn;
}

/** An App, installed on one repository with the workflow that the README shows. */
export async function installed(options?: StandInOptions & { permissions?: Permissions }) {
  const standIn = await github(options);
  const app = standIn.addApp({ appId: 7, ...(options?.permissions && { permissions: options.permissions }) });
  const installation = standIn.addInstallation(app, { id: 5 });
  const workflows = { '.github/workflows/deploy.yml': workflowFile };
  const repository = standIn.addRepository(installation, { id: 1296269, name: 'web', workflows });
  const mint = (body: unknown = {}, headers: Record<string, string> = {}) =>
    ask(standIn.apiUrl, 'POST /app/installations/5/access_tokens', { authorization: appJwt(app), body, headers });
  const minted = async (body?: unknown) => `token ${(await mint(body)).body['token']}`;
  return { github: standIn, app, installation, repository, mint, minted };
}

/** A receiver of webhooks. */
export async function receiver() {
  const received: { headers: IncomingHttpHeaders; body: string }[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    received.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
    response.writeHead(202).end();
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  onTestFinished(async () => {
    await new Promise((resolve) => server.close(resolve).closeAllConnections());
  });
  return { received, hookUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook` };
}
