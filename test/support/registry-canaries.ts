import { randomBytes } from 'node:crypto';
import { expect } from 'vitest';
import { type RegistryStandIn, startRegistry } from '../../stand-ins/registry/stand-in.ts';
import type { Canary } from './canaries.ts';
import type { Client } from './client.ts';

const marker = () => `$'"(:${randomBytes(24).toString('hex')}`;
const username = 'robot$team';

/** A registry that is connected, refused, replaced, echoed and deleted in the course of a day. */
export async function startDayOfRegistry() {
  const [first, second, wrong] = [marker(), marker(), marker()];
  const access = [{ repository: 'team/*', actions: ['pull' as const, 'push' as const] }];
  const registry: RegistryStandIn = await startRegistry({ users: { [username]: { password: first, access } } });

  return {
    url: registry.url,
    close: () => registry.close(),

    /** Answers what must be found nowhere afterwards. */
    async work(me: Client, projectId: string): Promise<Canary[]> {
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
      await change(wrong, 'reauth_required');
      await me.send('POST', at, { credentials: { username: 'a:b', password: wrong } });
      await me.send('PATCH', '/api/integrations/nobody', { credentials: { password: wrong } });
      await change(second, 'active');
      const asked = { purpose: 'pull', integration_id: body.id, repositories: ['team/app'], format: 'bearer' };
      await me.ask('POST', `/v1/projects/${projectId}/credentials/exchange`, asked);
      expect((await me.send('DELETE', at, undefined, wait)).status).toBe(200);
      const sent = registry.ledger.flatMap(({ authorization }) => /^Bearer (.+)$/.exec(authorization ?? '')?.[1] ?? []);
      expect(sent.length).toBeGreaterThan(5);
      return [
        { name: 'the registry’s first password', value: first },
        { name: 'the registry’s second password', value: second },
        { name: 'a wrong password', value: wrong },
        ...[...new Set(sent)].map((value) => ({ name: 'a token of the registry', value })),
      ];
    },
  };
}
