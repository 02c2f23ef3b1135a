import { randomBytes } from 'node:crypto';
import { expect } from 'vitest';
import { type RegistryStandIn, startRegistry } from '../../../stand-ins/registry/stand-in.ts';
import { type Day, exchangePath, inExchange, named, type Outcome } from './day.ts';

const marker = () => `$'"(:${randomBytes(24).toString('hex')}`;
const username = 'robot$team';

/** Connects a registry, has its password rejected, replaced and echoed, and deletes the registry. */
export async function startDayOfRegistry() {
  const [first, second, third, wrong] = [marker(), marker(), marker(), marker()];
  const access = [{ repository: 'team/*', actions: ['pull' as const, 'push' as const] }];
  const registry: RegistryStandIn = await startRegistry({ users: { [username]: { password: first, access } } });

  return {
    url: registry.url,
    close: () => registry.close(),

    async work({ me, projectId }: Day): Promise<Outcome> {
      const wait = { prefer: 'wait=20' };
      const { body } = await me.send<{ id: string; status: string }>(
        'POST',
        '/v1/integrations',
        {
          provider: 'oci',
          registry: registry.url,
          project_id: projectId,
          credentials: { username, password: first },
          repositories: ['team/app'],
        },
        wait,
      );
      const at = `/v1/integrations/${body.id}`;
      const change = async (password: string, status: string) => {
        const changed = await me.send('PATCH', at, { credentials: { password } }, wait);
        expect(changed).toMatchObject({ status: 200, body: { status } });
      };
      expect(body.status).toBe('active');
      const echo = { errors: [{ code: 'UNKNOWN', message: `${first} ${second}` }], token: second };
      registry.fail({ path: /./, kind: 'answer', status: 500, body: JSON.stringify(echo), times: 2 });
      registry.settings.users.set(username, { password: second, access });
      await change(second, 'active');
      await change(wrong, 'active');
      await me.send('POST', at, { credentials: { username: 'a:b', password: wrong } });
      await me.send('PATCH', '/api/integrations/nobody', { credentials: { password: wrong } });
      await change(second, 'active');
      const exchange = (format: string) =>
        me.ask<Given>('POST', exchangePath(projectId), {
          purpose: 'pull',
          integration_id: body.id,
          repositories: ['team/app'],
          format,
        });
      const { token = '' } = await exchange('bearer');
      // If a registry has a user name and a password, an exchange returns the stored password itself.
      expect(await exchange('basic')).toMatchObject({ password: second });
      registry.settings.users.set(username, { password: third, access });
      // The registry rejects the active password, which is an incident.
      await me.send('POST', `${at}/verify`, undefined, wait);
      await change(third, 'active');
      const config = (await exchange('docker_config')).docker_config?.auths ?? {};
      expect(Object.values(config)).toEqual([{ auth: Buffer.from(`${username}:${third}`).toString('base64') }]);
      expect((await me.send('DELETE', at, undefined, wait)).status).toBe(200);
      const sent = registry.ledger.flatMap(({ authorization }) => /^Bearer (.+)$/.exec(authorization ?? '')?.[1] ?? []);
      expect(sent.length).toBeGreaterThan(5);
      const logins = registry.ledger.flatMap(
        ({ authorization }) => /^Basic (.+)$/.exec(authorization ?? '')?.[1] ?? [],
      );
      expect(logins.map((login) => Buffer.from(login, 'base64').toString())).toEqual(
        expect.arrayContaining([first, second, third, wrong].map((password) => `${username}:${password}`)),
      );
      return {
        canaries: [
          { name: 'the registry’s first password', value: first },
          { name: 'the registry’s second password', value: second },
          { name: 'the registry’s third password', value: third },
          { name: 'a wrong password', value: wrong },
          { name: 'the registry’s token that was given out', value: token },
          ...named('a token of the registry', new Set(sent)),
        ],
        told: [
          `the registry’s second password ${inExchange}`,
          `the registry’s third password ${inExchange}`,
          `the registry’s token that was given out ${inExchange}`,
        ],
      };
    },
  };
}

type Given = { token?: string; password?: string; docker_config?: { auths: Record<string, { auth: string }> } };
