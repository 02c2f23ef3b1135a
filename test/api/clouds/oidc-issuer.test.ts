import { createRemoteJWKSet, decodeProtectedHeader, errors, jwtVerify } from 'jose';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createRateLimiter } from '../../../api/http/rate-limit.ts';
import { createOidcIssuer } from '../../../broker/clouds/oidc-issuer.ts';
import { publicUrl, startApi, type TestApi } from '../../support/api.ts';
import { keyring } from '../../support/hooks.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

const request = {
  orgId: 'org_0000000000000000000000000a',
  projectId: 'prj_0000000000000000000000000a',
  integrationId: 'int_0000000000000000000000000a',
  cloudAccountId: 'ca_0000000000000000000000000a',
  audience: 'sts.amazonaws.com',
};
const issuer = (url = publicUrl) => createOidcIssuer({ database: api.database, keyring, publicUrl: url });
/** Gets the keys as a cloud does. The public URL is this server's. */
const keysOf = async () => {
  const found = await fetch(`${api.url}/.well-known/openid-configuration`);
  const { jwks_uri } = (await found.json()) as { jwks_uri: string };
  return createRemoteJWKSet(new URL(jwks_uri.replace(publicUrl, api.url)));
};

test('a cloud finds the keys from the issuer URL, and can cache both responses for an hour', async () => {
  const found = await fetch(`${api.url}/.well-known/openid-configuration`);
  expect(found.status).toBe(200);
  expect(found.headers.get('content-type')).toMatch(/^application\/json/);
  expect(found.headers.get('cache-control')).toBe('public, max-age=3600');
  expect(await found.json()).toEqual({
    issuer: publicUrl,
    jwks_uri: `${publicUrl}/.well-known/jwks.json`,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
    scopes_supported: ['openid'],
    claims_supported: ['iss', 'sub', 'aud', 'iat', 'exp', 'jti', 'org_id', 'project_id', 'integration_id'],
  });

  const keys = await fetch(`${api.url}/.well-known/jwks.json`);
  expect(keys.headers.get('cache-control')).toBe('public, max-age=3600');
  // Only public members: no d, p or q.
  const text = expect.stringMatching(/^[\w-]+$/);
  expect(await keys.json()).toEqual({
    keys: [{ kid: text, kty: 'RSA', alg: 'RS256', use: 'sig', n: expect.stringMatching(/^[\w-]{342}$/), e: 'AQAB' }],
  });
});

test('a token verifies with these keys, for one audience, and names its subject', async () => {
  const before = Math.floor(Date.now() / 1000);
  const token = await issuer().token(request);
  const { payload, protectedHeader } = await jwtVerify(token, await keysOf(), {
    issuer: publicUrl,
    audience: 'sts.amazonaws.com',
    algorithms: ['RS256'],
  });
  expect(protectedHeader).toEqual({ alg: 'RS256', typ: 'JWT', kid: expect.any(String) });
  expect(payload).toEqual({
    iss: publicUrl,
    sub: `org:${request.orgId}:cloud-account:${request.cloudAccountId}`,
    aud: 'sts.amazonaws.com',
    org_id: request.orgId,
    project_id: request.projectId,
    integration_id: request.integrationId,
    jti: expect.any(String),
    iat: expect.any(Number),
    exp: expect.any(Number),
  });
  // The longest subject that Google maps.
  expect(Buffer.byteLength(String(payload.sub))).toBeLessThanOrEqual(127);
  expect(before - Number(payload.iat)).toBeGreaterThanOrEqual(55);
  expect(Number(payload.exp) - before).toBeGreaterThanOrEqual(600);
  expect(Number(payload.exp) - before).toBeLessThan(660);

  await expect(jwtVerify(token, await keysOf(), { audience: 'api://AzureADTokenExchange' })).rejects.toThrow(
    errors.JWTClaimValidationFailed,
  );
});

test('each token is unique, and a token without a project has no project claim', async () => {
  const { projectId: _, ...withoutProject } = request;
  const tokens = await Promise.all([1, 2].map(() => issuer().token(withoutProject)));
  const payloads = await Promise.all(
    tokens.map(async (token) => (await jwtVerify(token, await keysOf(), { audience: request.audience })).payload),
  );
  expect(payloads[0]?.jti).not.toBe(payloads[1]?.jti);
  expect(payloads[0]).not.toHaveProperty('project_id');
});

test('a token of another instance does not verify here', async () => {
  const other = await startApi();
  const foreign = createOidcIssuer({ database: other.database, keyring, publicUrl });
  const token = await foreign.token(request);
  await other.stop();
  expect(decodeProtectedHeader(token).alg).toBe('RS256');
  await expect(jwtVerify(token, await keysOf())).rejects.toThrow(errors.JWKSNoMatchingKey);
});

test('if no cloud can read the keys, no token is issued, and the error names the setting', async () => {
  await expect(issuer('http://localhost:8080').token(request)).rejects.toMatchObject({
    code: 'issuer_not_public',
    message: expect.stringContaining('FAIRLEAD_PUBLIC_URL'),
  });
});

test('the key endpoints are never rate limited, so other requests from the same address cannot block a cloud', async () => {
  const limits = { callerPerMinute: 1, publicPerMinute: 1, failuresPerMinute: 1 };
  const busy = await startApi({ limiter: createRateLimiter(limits, new Registry()) });
  const ask = async (path: string) => (await fetch(busy.url + path)).status;
  for (const path of ['/.well-known/openid-configuration', '/.well-known/jwks.json']) {
    expect([await ask(path), await ask(path), await ask(path)]).toEqual([200, 200, 200]);
  }
  expect([await ask('/openapi.json'), await ask('/openapi.json')]).toEqual([200, 429]);
  await busy.stop();
});
