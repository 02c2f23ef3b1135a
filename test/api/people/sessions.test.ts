import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { bootstrap, createSignInCode } from '../../../db/people/bootstrap.ts';
import { hashSecret } from '../../../db/store/sealing.ts';
import { newId } from '../../../domain/ids.ts';
import { publicUrl, startApi, type TestApi } from '../../support/api.ts';
import { addOrg, addProject, addToken, addUser } from '../../support/scenes/tenants.ts';

type SignedIn = { token: string; csrf_token: string; user: { id: string } };

let api: TestApi;
let ownerId: string;
let orgId: string;

beforeAll(async () => {
  api = await startApi();
  ({ ownerId } = await bootstrap(api.database));
});
afterAll(() => api.stop());
beforeEach(async () => {
  orgId = await addOrg(api.database);
});

const newCode = () => createSignInCode(api.database, ownerId);

function post(path: string, body: unknown, headers: Record<string, string> = {}) {
  return fetch(api.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
}

async function signIn(): Promise<SignedIn> {
  const response = await post('/v1/sessions', { code: await newCode() });
  expect(response.status).toBe(201);
  return (await response.json()) as SignedIn;
}

const cookieOf = ({ token }: SignedIn) => `__Host-fairlead_session=${token}`;

describe('the one-time link', () => {
  test('is redeemed once by concurrent requests', async () => {
    const code = await newCode();
    const answers = await Promise.all(Array.from({ length: 20 }, () => post('/v1/sessions', { code })));
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([201, ...Array(19).fill(401)]);
  });

  test('is rejected after it has expired', async () => {
    const code = await newCode();
    await api.database.write((trx) =>
      trx('sign_in_links')
        .where({ code_hash: hashSecret(code) })
        .update({ expires_at: Date.now() - 1 }),
    );
    const response = await post('/v1/sessions', { code });
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ code: 'sign_in_code_invalid' });
  });

  test('starts another session for each sign-in', async () => {
    const [first, second] = [await signIn(), await signIn()];
    expect(first.token).not.toBe(second.token);
    expect(first.csrf_token).not.toBe(second.csrf_token);
  });

  test('is not stored, and neither is the session token', async () => {
    const code = await newCode();
    const { token } = (await (await post('/v1/sessions', { code })).json()) as SignedIn;
    const kept = JSON.stringify([await api.database.reader('sign_in_links'), await api.database.reader('sessions')]);
    expect(kept).not.toContain(code);
    expect(kept).not.toContain(token);
  });
});

describe('a session', () => {
  test('works as a Bearer token without another header', async () => {
    const { token, user } = await signIn();
    const me = await api.as(token).ask('GET', '/v1/me');
    expect(me).toMatchObject({ id: `user:${user.id}`, kind: 'session' });
    expect(me).not.toHaveProperty('csrf_token');
  });

  test('is a cookie that scripts cannot read and that browsers do not send over plain HTTP', async () => {
    const response = await post('/v1/sessions', { code: await newCode() });
    const cookie = response.headers.get('set-cookie') ?? '';
    expect(cookie).toMatch(
      /^__Host-fairlead_session=fls_[\w-]+; Path=\/; HttpOnly; SameSite=Lax; Max-Age=\d+; Secure$/,
    );
  });

  test('needs its origin and its CSRF token for changes by cookie', async () => {
    const session = await signIn();
    const cookie = cookieOf(session);
    const other = await signIn();
    const right = { cookie, origin: publicUrl, 'x-csrf-token': session.csrf_token };
    const wrong: [string, Record<string, string>][] = [
      ['neither', { cookie }],
      ['no token', { cookie, origin: publicUrl }],
      ['no origin', { cookie, 'x-csrf-token': session.csrf_token }],
      ['another origin', { ...right, origin: 'https://evil.example.com' }],
      ['an opaque origin', { ...right, origin: 'null' }],
      ['an origin that begins alike', { ...right, origin: `${publicUrl}.evil.example.com` }],
      ['the CSRF token of another session', { ...right, 'x-csrf-token': other.csrf_token }],
    ];
    for (const [title, headers] of wrong) {
      const response = await post('/v1/orgs', { name: 'Made by cookie' }, headers);
      expect(response.status, title).toBe(403);
      expect(await response.json(), title).toMatchObject({ code: 'csrf_rejected' });
    }
    expect((await post('/v1/orgs', { name: 'Made by cookie' }, right)).status).toBe(201);
  });

  test('reads with only the cookie, and returns its CSRF token', async () => {
    const session = await signIn();
    const response = await fetch(`${api.url}/v1/me`, { headers: { cookie: cookieOf(session) } });
    expect(await response.json()).toMatchObject({ csrf_token: session.csrf_token });
  });

  test('ends immediately when its person signs out, and other sessions do not', async () => {
    const [session, other] = [await signIn(), await signIn()];
    const answer = await api.as(session.token).send('DELETE', '/v1/sessions');
    expect(answer.status).toBe(204);
    expect(answer.headers.get('set-cookie')).toContain('Max-Age=0');
    expect((await api.as(session.token).send('GET', '/v1/me')).status).toBe(401);
    expect((await fetch(`${api.url}/v1/me`, { headers: { cookie: cookieOf(session) } })).status).toBe(401);
    expect((await api.as(other.token).send('GET', '/v1/me')).status).toBe(200);
  });

  test('expires', async () => {
    const { token } = await signIn();
    await api.database.write((trx) =>
      trx('sessions')
        .where({ hash: hashSecret(token) })
        .update({ expires_at: Date.now() - 1 }),
    );
    expect((await api.as(token).send('GET', '/v1/me')).status).toBe(401);
  });
});

describe('the sign-in page', () => {
  const form = (code: string) =>
    fetch(`${api.url}/sign-in`, { method: 'POST', body: new URLSearchParams({ code }), redirect: 'manual' });

  test('can be opened several times before its button is pressed', async () => {
    const code = await newCode();
    for (let opened = 0; opened < 3; opened += 1) {
      const page = await fetch(`${api.url}/sign-in?code=${code}`);
      expect(page.status).toBe(200);
      expect(page.headers.get('set-cookie')).toBeNull();
    }
    await fetch(`${api.url}/sign-in?code=${code}`, { method: 'HEAD' });
    const signedIn = await form(code);
    expect(signedIn.status).toBe(200);
    const cookie = signedIn.headers.get('set-cookie')?.split(';')[0] ?? '';
    expect((await fetch(`${api.url}/v1/me`, { headers: { cookie } })).status).toBe(200);
    expect((await form(code)).status).toBe(401);
  });

  test('contains no script and forbids scripts', async () => {
    const page = await fetch(`${api.url}/sign-in?code=${await newCode()}`);
    const html = await page.text();
    expect(html).not.toMatch(/<script|\bon\w+=|javascript:/i);
    const policy = page.headers.get('content-security-policy');
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain('script-src');
    expect(page.headers.get('cache-control')).toBe('no-store');
    expect(page.headers.get('referrer-policy')).toMatch(/^(no-referrer|strict-origin)$/);
  });

  test('rejects a form on another site', async () => {
    const code = await newCode();
    for (const headers of [
      { origin: 'https://evil.example.com' },
      { origin: 'null' },
      { 'sec-fetch-site': 'cross-site' },
    ]) {
      const body = new URLSearchParams({ code });
      const response = await fetch(`${api.url}/sign-in`, { method: 'POST', body, headers });
      expect(response.status).toBe(403);
      expect(response.headers.get('set-cookie')).toBeNull();
    }
    expect((await form(code)).status).toBe(200);
  });

  test('shows nothing of an invalid link', async () => {
    const evil = '"><img src=x onerror=alert(1)>';
    const page = await fetch(`${api.url}/sign-in?code=${encodeURIComponent(evil)}`);
    expect(page.status).toBe(400);
    expect(await page.text()).not.toContain('onerror');
  });
});

describe('a token', () => {
  test('cannot have more rights than its creator', async () => {
    const { session } = await addUser(api.database, orgId, 'admin');
    const wanted = { org_id: orgId, name: 'too much', scopes: ['projects:read', 'org:admin'] };
    const answer = await api.as(session).send<{ detail: string }>('POST', '/v1/tokens', wanted);
    expect(answer.status).toBe(403);
    expect(answer.body.detail).toContain('org:admin');
    expect((await api.as(session).send('POST', '/v1/tokens', { ...wanted, scopes: ['ops'] })).status).toBe(400);
    expect((await api.as(session).send('POST', '/v1/tokens', { ...wanted, scopes: ['projects:read'] })).status).toBe(
      201,
    );
  });

  test('of a project cannot create a token for its organization or for another project', async () => {
    const [projectId, sibling] = [await addProject(api.database, orgId), await addProject(api.database, orgId)];
    const { secret } = await addToken(api.database, { orgId, projectId });
    const client = api.as(secret);
    const wanted = { org_id: orgId, name: 'wider', scopes: ['projects:read'] };
    expect((await client.send('POST', '/v1/tokens', wanted)).status).toBe(404);
    expect((await client.send('POST', '/v1/tokens', { ...wanted, project_id: sibling })).status).toBe(404);
    expect((await client.send('POST', '/v1/tokens', { ...wanted, project_id: projectId })).status).toBe(201);
  });

  type Made = { id: string; token: string; expires_at: number | null };
  const make = (secret: string, changes: object = {}) =>
    api.as(secret).ask<Made>('POST', '/v1/tokens', {
      org_id: orgId,
      name: 'made by a token',
      scopes: ['projects:read', 'tokens:admin'],
      ...changes,
    });

  test('cannot create a token that outlives it', async () => {
    const day = 86_400_000;
    const end = Date.now() + 2 * day;
    const { secret } = await addToken(api.database, { orgId }, undefined, end);
    const atMost = Math.floor(end / 1000);
    expect((await make(secret)).expires_at).toBe(atMost);
    const longer = await make(secret, { expires_in_days: 30 });
    expect(longer.expires_at).toBe(atMost);
    expect((await make(longer.token)).expires_at).toBe(atMost);
    expect((await make(secret, { expires_in_days: 1 })).expires_at).toBeLessThan(atMost);
    expect((await make((await addToken(api.database, { orgId })).secret)).expires_at).toBeNull();
  });

  test('revokes the tokens that it created, and those that they created', async () => {
    const [first, other] = [await addToken(api.database, { orgId }), await addToken(api.database, { orgId })];
    const child = await make(first.secret);
    const grandchild = await make(child.token);
    const apart = await make(other.secret);
    expect((await api.admin.send('DELETE', `/v1/tokens/${first.id}`)).status).toBe(204);
    for (const secret of [first.secret, child.token, grandchild.token]) {
      expect((await api.as(secret).send('GET', '/v1/me')).status).toBe(401);
    }
    for (const secret of [other.secret, apart.token]) {
      expect((await api.as(secret).send('GET', '/v1/me')).status).toBe(200);
    }
    const targets = [first, child, grandchild, apart].map(({ id }) => id);
    const audit = await api.database.reader('audit_events').whereIn('target', targets).where('action', 'token.revoked');
    expect(audit.map(({ target }) => target).sort()).toEqual(targets.slice(0, 3).sort());
  });

  test('is rejected if the organization has a thousand', async () => {
    const crowded = await addOrg(api.database, 'Crowded');
    const rows = Array.from({ length: 1_000 }, (_, at) => ({
      id: newId('tok'),
      org_id: crowded,
      name: `of ${at}`,
      hash: `${crowded} ${at}`,
      hint: 'flt_',
      scopes: '[]',
      created_by: 'system',
      created_at: 1,
    }));
    await api.database.write(async (trx) => {
      for (let at = 0; at < rows.length; at += 50) await trx('tokens').insert(rows.slice(at, at + 50));
    });
    const ask = () =>
      api.admin.send('POST', '/v1/tokens', { org_id: crowded, name: 'one more', scopes: ['projects:read'] });
    expect(await ask()).toMatchObject({ status: 429, body: { code: 'too_many_requests' } });
    const change = (id: string | undefined, to: object) =>
      api.database.write((trx) =>
        trx('tokens')
          .where({ id: id ?? '' })
          .update(to),
      );
    await change(rows[0]?.id, { revoked_at: 1 });
    expect((await ask()).status).toBe(201);
    expect((await ask()).status).toBe(429);
    await change(rows[1]?.id, { expires_at: 1 });
    expect((await ask()).status).toBe(201);
  });

  test('shows when it was last used', async () => {
    const { id, secret } = await addToken(api.database, { orgId });
    const seen = async () => {
      const tokens = await api.admin.ask<{ id: string; last_used_at: number | null }[]>('GET', '/v1/tokens?limit=200');
      return tokens.find((token) => token.id === id)?.last_used_at;
    };
    expect(await seen()).toBeNull();
    await api.as(secret).ask('GET', '/v1/me');
    expect(await seen()).toBeCloseTo(Date.now() / 1000, -1);
  });

  test('is rejected as soon as it is revoked', async () => {
    const { id, secret } = await addToken(api.database, { orgId });
    expect((await api.as(secret).send('GET', '/v1/me')).status).toBe(200);
    expect((await api.admin.send('DELETE', `/v1/tokens/${id}`)).status).toBe(204);
    expect((await api.as(secret).send('GET', '/v1/me')).status).toBe(401);
  });

  test('expires at its expiry time', async () => {
    const { secret } = await addToken(api.database, { orgId }, undefined, Date.now() + 400);
    expect((await api.as(secret).send('GET', '/v1/me')).status).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, 450));
    expect((await api.as(secret).send('GET', '/v1/me')).status).toBe(401);
  });

  test('is stored only as a digest', async () => {
    const made = await api.admin.ask<{ id: string; token: string }>('POST', '/v1/tokens', {
      org_id: orgId,
      name: 'secret',
      scopes: ['projects:read'],
    });
    expect(made.token).toMatch(/^flt_/);
    expect(JSON.stringify(await api.database.reader('tokens'))).not.toContain(made.token);
  });
});
