import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { workflowAttributeNames } from '../../domain/workflow-attributes.ts';
import { createTemporalClient, waitForTemporal } from '../../worker/temporal-client.ts';
import { startTemporalServer } from '../../worker/temporal-server.ts';
import { freePort, isAlive } from '../support/processes.ts';

let dataDir: string;
let ports: { port: number; uiPort: number };
const cliPath = (
  JSON.parse(readFileSync(path.join(import.meta.dirname, '..', '..', '.temporal', 'found.json'), 'utf8')) as {
    temporal: string;
  }
).temporal;

beforeEach(async () => {
  dataDir = mkdtempSync(path.join(tmpdir(), 'fairlead-server-'));
  ports = { port: await freePort(), uiPort: await freePort() };
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

const pidFile = () => path.join(dataDir, 'temporal.pid');
const serverPid = () => Number(readFileSync(pidFile(), 'utf8'));

test('the server is ready with its search attributes and its UI, and stopping it leaves nothing', async () => {
  const server = await startTemporalServer({ dataDir, ...ports, cliPath });
  const { connection, close } = createTemporalClient(
    { namespace: 'default', tls: undefined, apiKey: undefined },
    server.address,
  );
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace: 'default' });
  expect(Object.keys(customAttributes ?? {})).toEqual(expect.arrayContaining([...workflowAttributeNames]));
  expect((await fetch(server.uiUrl)).status).toBe(200);
  await close();

  const pid = serverPid();
  await server.stop();
  expect(isAlive(pid)).toBe(false);
  expect(existsSync(pidFile())).toBe(false);
}, 60_000);

test('a server whose starter is killed ends by itself', async () => {
  const code = `
    import { startTemporalServer } from ${JSON.stringify(path.join(import.meta.dirname, '../../worker/temporal-server.ts'))};
    await startTemporalServer(${JSON.stringify({ dataDir, ...ports, cliPath })});
    console.log('up');
    setInterval(() => {}, 1000);`;
  const starter = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code]);
  await new Promise((resolve) => starter.stdout.once('data', resolve));
  const pid = serverPid();
  starter.kill('SIGKILL');
  await expect.poll(() => isAlive(pid), { timeout: 15_000 }).toBe(false);
}, 60_000);

test('a server that was left behind is stopped, and its data is found again', async () => {
  const first = await startTemporalServer({ dataDir, ...ports, cliPath });
  const left = serverPid();
  const second = await startTemporalServer({ dataDir, ...ports, cliPath });
  expect(isAlive(left)).toBe(false);
  await waitForTemporal({ address: second.address, namespace: 'default' }, 5_000);
  await Promise.all([first.stop(), second.stop()]);
}, 60_000);

test('a port that somebody else holds is named, with what to set', async () => {
  const other = createServer().listen(ports.port, '127.0.0.1');
  await new Promise((resolve) => other.once('listening', resolve));
  const { port } = other.address() as AddressInfo;
  await expect(startTemporalServer({ dataDir, ...ports, cliPath })).rejects.toThrow(
    new RegExp(`Port ${port}.*FAIRLEAD_TEMPORAL_PORT`),
  );
  other.close();
});
