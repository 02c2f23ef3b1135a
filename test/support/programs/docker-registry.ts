import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, runProgram } from './processes.ts';
import { program } from './programs.ts';

export const tlsFile = (name: string) => fileURLToPath(new URL(`../tls/${name}.pem`, import.meta.url));

export type DockerRegistry = Awaited<ReturnType<typeof startDockerRegistry>>;

type User = { username: string; password: string };
/** `certificate` is a file with the key that signs the tokens. */
type TokenAuth = { realm: string; service: string; issuer: string; certificate: string };
type Auth = { htpasswd: User[] } | { token: TokenAuth };

/** Debian's docker-registry on a free port, with its storage in a separate folder. */
export async function startDockerRegistry(auth: Auth, { tls = false } = {}) {
  const folder = mkdtempSync(path.join(tmpdir(), 'fairlead-registry-'));
  const storage = path.join(folder, 'storage');
  const port = await freePort();
  const config = {
    version: 0.1,
    log: { accesslog: { disabled: true }, level: 'info' },
    storage: { filesystem: { rootdirectory: storage }, delete: { enabled: true } },
    http: {
      addr: `127.0.0.1:${port}`,
      ...(tls && { tls: { certificate: tlsFile('loopback'), key: tlsFile('loopback-key') } }),
    },
    auth: 'token' in auth ? { token: tokenAuth(auth.token) } : { htpasswd: htpasswdAuth(folder, auth.htpasswd) },
  };
  // JSON is YAML, too.
  const file = path.join(folder, 'config.yml');
  writeFileSync(file, JSON.stringify(config));
  const registry = runProgram(program('docker-registry'), ['serve', file], { OTEL_TRACES_EXPORTER: 'none' });
  await registry.line(/listening on/).catch(async (error: unknown) => {
    await registry.end();
    throw error;
  });

  const host = `127.0.0.1:${port}`;
  return {
    host,
    url: `${tls ? 'https' : 'http'}://${host}`,
    /** Returns every stored file and folder. */
    stored: (): string[] => {
      try {
        return readdirSync(storage, { recursive: true }).map(String).sort();
      } catch {
        return [];
      }
    },
    output: registry.output,
    async end(): Promise<void> {
      await registry.end();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function tokenAuth({ certificate, ...rest }: TokenAuth) {
  return { ...rest, rootcertbundle: certificate };
}

/** The registry reads only bcrypt. The fewest rounds are enough for a test. */
function htpasswdAuth(folder: string, users: User[]) {
  const lines = users.map(({ username, password }) =>
    execFileSync(program('htpasswd'), ['-nbB', '-C', '4', username, password], { encoding: 'utf8' }).trim(),
  );
  const file = path.join(folder, 'htpasswd');
  writeFileSync(file, `${lines.join('\n')}\n`);
  return { realm: 'h3', path: file };
}
