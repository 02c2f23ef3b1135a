import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { createSignInCode } from '../../../db/people/bootstrap.ts';
import type { Database } from '../../../db/store/connection.ts';
import { createBrowser } from '../browser.ts';
import { createClient } from '../client.ts';
import type { Day, Outcome } from './day.ts';

/** Signs the owner in with a browser, uses the cookie and its CSRF token, and signs out. */
export async function signInWithBrowser({ product, projectId }: Day, database: Database): Promise<Outcome> {
  const owner = await database.reader('users').first('id');
  const code = await createSignInCode(database, owner?.id ?? '');
  const browser = createBrowser();
  const page = await browser.visit(`${product.publicUrl}/sign-in?code=${code}`);
  const signedIn = await browser.press(page, 'Sign in');
  expect(signedIn.status).toBe(200);
  const [, name = '', session = ''] =
    /((?:__Host-)?fairlead_session)=([^;]+)/.exec(signedIn.headers.getSetCookie().join()) ?? [];
  const cookie = { cookie: `${name}=${session}`, origin: product.publicUrl };
  const ask = (method: string, path: string, headers: Record<string, string>, body?: unknown) =>
    fetch(product.url + path, {
      method,
      headers: { ...cookie, ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  const { csrf_token: csrf } = (await (await ask('GET', '/v1/me', {})).json()) as { csrf_token: string };
  const make = (token: string) =>
    ask('POST', `/v1/projects/${projectId}/apps`, { 'x-csrf-token': token }, { name: 'by browser' });
  expect([(await make(`${csrf}x`)).status, (await make(csrf)).status]).toEqual([403, 201]);
  expect((await ask('DELETE', '/v1/sessions', { 'x-csrf-token': csrf })).status).toBe(204);
  expect((await ask('GET', '/v1/me', {})).status).toBe(401);
  return {
    canaries: [
      { name: 'the second sign-in code', value: code },
      { name: 'the session of a browser', value: session },
      { name: 'the CSRF token of a browser', value: csrf },
    ],
    told: [
      // The page asks for a click before it uses the code.
      'the second sign-in code in the answer to GET /sign-in (200)',
      'the session of a browser in the answer to POST /sign-in (200)',
      'the CSRF token of a browser in the answer to GET /v1/me (200)',
    ],
  };
}

type Made = { id: string; token: string; code?: string };

/** Creates an API token, and repeats the request with the same idempotency key. */
export async function makeToken({ product, me, orgId }: Day, name: string, scopes: string[]) {
  const key = { 'idempotency-key': randomUUID() };
  const ask = () => me.send<Made>('POST', '/v1/tokens', { org_id: orgId, name, scopes }, key);
  const made = await ask();
  expect(made, JSON.stringify(made.body)).toMatchObject({ status: 201 });
  expect((await ask()).body).toMatchObject({ id: made.body.id, code: 'secret_not_repeated' });
  const client = createClient(product.url, made.body.token);
  return {
    client,
    outcome: {
      canaries: [{ name: `the API token ${name}`, value: made.body.token }],
      told: [`the API token ${name} in the answer to POST /v1/tokens (201)`],
    } satisfies Outcome,
    async revoke() {
      expect((await client.send('GET', '/v1/me')).status).toBe(200);
      await me.ask('DELETE', `/v1/tokens/${made.body.id}`);
      expect((await client.send('GET', '/v1/me')).status).toBe(401);
    },
  };
}
