import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { createClient } from '../client.ts';
import { runningBuild } from './builds.ts';
import { type Day, exchangePath, inExchange, type Outcome } from './day.ts';

const soon = { timeout: 40_000 };

type Made = { id: string; token: string; code?: string };
type Given = { token?: string; password?: string; env?: Record<string, string>; lease_id: string; code?: string };
type Lease = { id: string; status: string; outcome: string | null };

/** Exchanges credentials as a build and as the owner, and uses them at GitHub until they are revoked. */
export async function exchangeAtGitHub(day: Day): Promise<Outcome> {
  const { scene, product, me, projectId } = day;
  const build = await runningBuild(scene, me);
  const make = { 'idempotency-key': randomUUID() };
  const askForToken = () => me.send<Made>('POST', `/v1/builds/${build.id}/token`, undefined, make);
  const made = await askForToken();
  expect(made.status).toBe(201);
  expect((await askForToken()).body).toMatchObject({ id: made.body.id, code: 'secret_not_repeated' });
  const holder = createClient(product.url, made.body.token);

  async function exchange(by: typeof me, wanted: object): Promise<Given> {
    const key = { 'idempotency-key': randomUUID() };
    const ask = () => by.send<Given>('POST', exchangePath(projectId), wanted, key);
    const given = await ask();
    expect(given, JSON.stringify(given.body)).toMatchObject({ status: 200 });
    expect((await ask()).body).toMatchObject({ lease_id: given.body.lease_id, code: 'secret_not_repeated' });
    return given.body;
  }
  const worksAtGitHub = async (token: string) => {
    const headers = { authorization: `Bearer ${token}` };
    return (await fetch(`${scene.github.apiUrl}/installation/repositories`, { headers })).status;
  };
  const lease = async (id: string) =>
    (await me.ask<Lease[]>('GET', '/v1/leases?limit=200')).find((one) => one.id === id);

  // The holder revokes this one.
  const clone = await exchange(holder, { purpose: 'clone', format: 'bearer' });
  const [appId] = (await me.ask<{ app_id: string }[]>('GET', '/v1/builds?limit=1')).map(({ app_id }) => app_id);
  const status = await exchange(me, { purpose: 'status', app_id: appId, format: 'env' });
  const tokens = { clone: clone.token ?? '', status: status.env?.['GH_ENTERPRISE_TOKEN'] ?? '' };
  expect([await worksAtGitHub(tokens.clone), await worksAtGitHub(tokens.status)]).toEqual([200, 200]);
  expect((await holder.send('DELETE', `/v1/leases/${clone.lease_id}`, undefined, { prefer: 'wait=20' })).status).toBe(
    200,
  );
  await expect.poll(() => worksAtGitHub(tokens.clone), soon).toBe(401);
  expect(await lease(clone.lease_id)).toMatchObject({ status: 'revoked', outcome: 'revoked' });

  // This one ends with the build, and so does the build's own token.
  const second = (await exchange(holder, { purpose: 'clone', format: 'basic' })) as Required<Given>;
  expect(await worksAtGitHub(second.password)).toBe(200);
  await build.end();
  await expect.poll(() => worksAtGitHub(second.password), soon).toBe(401);
  const late = await holder.send('POST', exchangePath(projectId), { purpose: 'clone' });
  expect(late).toMatchObject({ status: 401 });
  // The third belongs to no build. The owner revokes it.
  await me.send('DELETE', `/v1/leases/${status.lease_id}`, undefined, { prefer: 'wait=20' });
  await expect.poll(() => worksAtGitHub(tokens.status), soon).toBe(401);

  return {
    canaries: [
      { name: 'the token of a build', value: made.body.token },
      { name: 'the first clone token', value: tokens.clone },
      { name: 'the second clone token', value: second.password },
      { name: 'the status token', value: tokens.status },
    ],
    told: [
      'the token of a build in the answer to POST /v1/builds/bld_…/token (201)',
      `the first clone token ${inExchange}`,
      `the second clone token ${inExchange}`,
      `the status token ${inExchange}`,
    ],
  };
}
