import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';

export type DemoSettings = {
  api: number;
  github: number;
  registry: number;
  temporal: number;
  temporalUi: number;
  token: string;
};

const preferred = { api: 8180, github: 8181, registry: 8182, temporal: 7333, temporalUi: 8333 };

/**
 * The ports and the operator's token of this demo. They are chosen at its first start and kept, because people remember
 * addresses.
 */
export async function demoSettings(folder: string): Promise<DemoSettings> {
  const file = path.join(folder, 'demo.json');
  const known = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Partial<DemoSettings>) : {};
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const settings = {
    api: known.api ?? (await portNear(preferred.api)),
    github: known.github ?? (await portNear(preferred.github)),
    // A folder of an earlier version has none.
    registry: known.registry ?? (await portNear(preferred.registry)),
    temporal: known.temporal ?? (await portNear(preferred.temporal)),
    temporalUi: known.temporalUi ?? (await portNear(preferred.temporalUi)),
    token: known.token ?? randomBytes(24).toString('base64url'),
  };
  writeFileSync(file, JSON.stringify(settings), { mode: 0o600 });
  return settings;
}

/** Returns the port that is easy to remember, or any free one. */
async function portNear(wanted: number): Promise<number> {
  return (await tryPort(wanted)) ?? (await tryPort(0)) ?? wanted;
}

function tryPort(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : undefined));
    });
  });
}
