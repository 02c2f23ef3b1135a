import { randomUUID, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { importPKCS8, SignJWT } from 'jose';
import { tlsFile } from '../programs/docker-registry.ts';

export type SignerUser = { username: string; password: string; access: Record<string, string[]> };
export type TokenSigner = Awaited<ReturnType<typeof startTokenSigner>>;

/**
 * A token service for a real registry, with only the parts that docker-registry needs. A caller that asks for more than
 * its access gets a token with less.
 */
export async function startTokenSigner(users: SignerUser[]) {
  const settings = { service: 'test-registry', issuer: 'test-issuer', certificate: tlsFile('certificate') };
  const key = await importPKCS8(readFileSync(tlsFile('key'), 'utf8'), 'ES256');
  const x5c = [new X509Certificate(readFileSync(settings.certificate)).raw.toString('base64')];

  async function tokenFor(user: SignerUser, scopes: string[]): Promise<string> {
    const access = scopes.flatMap((scope) => {
      const [type = '', name = '', actions = ''] = scope.split(':');
      const allowed = actions.split(',').filter((action) => user.access[name]?.includes(action));
      return allowed.length > 0 ? [{ type, name, actions: allowed }] : [];
    });
    return new SignJWT({ access })
      .setProtectedHeader({ alg: 'ES256', typ: 'JWT', x5c })
      .setIssuer(settings.issuer)
      .setAudience(settings.service)
      .setSubject(user.username)
      .setJti(randomUUID())
      .setIssuedAt()
      .setNotBefore('-10s')
      .setExpirationTime('5m')
      .sign(key);
  }

  const server = createServer((request, response) => {
    const { searchParams } = new URL(request.url ?? '/', 'http://127.0.0.1');
    const given = Buffer.from((request.headers.authorization ?? '').replace(/^Basic /, ''), 'base64').toString('utf8');
    const user = users.find(({ username, password }) => `${username}:${password}` === given);
    response.setHeader('content-type', 'application/json');
    if (!user) return void response.writeHead(401).end('{"details":"incorrect username or password"}');
    const scopes = searchParams.getAll('scope').flatMap((scope) => scope.split(' '));
    tokenFor(user, scopes).then(
      (token) => response.end(JSON.stringify({ token, expires_in: 300 })),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const realm = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`;
  return {
    settings: { ...settings, realm },
    async close(): Promise<void> {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
