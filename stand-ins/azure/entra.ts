import { randomBytes } from 'node:crypto';
import { compactVerify, decodeJwt } from 'jose';
import type { CloudAnswer, CloudRequest } from '../cloud-server.ts';
import type { App, State } from './state.ts';

/** Entra identifies its errors by numbers, in a list and in the text. */
function refused(number: number, error: string, status = 400): CloudAnswer {
  const description = `AADSTS${number}: refused by the stand-in. Trace ID: 0 Correlation ID: 0 Timestamp: now`;
  return { status, body: { error, error_description: description, error_codes: [number], trace_id: '0' } };
}

/** `authority` is the address of the tenant's endpoints. */
export function discovery(state: State, authority: string, tenantId: string): CloudAnswer {
  if (!state.tenants.has(tenantId)) return refused(90002, 'invalid_tenant');
  const base = `${authority}/${tenantId}`;
  return {
    status: 200,
    body: {
      issuer: `${base}/v2.0`,
      authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
      token_endpoint: `${base}/oauth2/v2.0/token`,
      end_session_endpoint: `${base}/oauth2/v2.0/logout`,
      jwks_uri: `${base}/discovery/v2.0/keys`,
    },
  };
}

/** Handles client credentials: a secret, or a token of an issuer that the app trusts. */
export async function token(state: State, tenantId: string, { form }: CloudRequest, now: number): Promise<CloudAnswer> {
  const tenant = state.tenants.get(tenantId);
  if (!tenant) return refused(90002, 'invalid_tenant');
  const clientId = form.get('client_id') ?? '';
  const app = tenant.apps.get(clientId);
  if (!app) return refused(700016, 'unauthorized_client');
  const assertion = form.get('client_assertion');
  const refusal = assertion === null ? bySecret(app, form, now) : await byAssertion(app, assertion, now);
  if (refusal) return refusal;

  const audience = (form.get('scope') ?? '').split(' ')[0]?.replace(/\/\.default$/, '') ?? '';
  const isRegistries = audience === 'https://containerregistry.azure.net';
  if (isRegistries && !tenant.knowsRegistries) return refused(500011, 'invalid_resource');
  const access = `eyJ0.${randomBytes(24).toString('base64url')}.c2ln`;
  const seconds = 3599;
  state.tokens.set(access, { tenantId, clientId, audience, expiresAt: now + seconds * 1000 });
  return {
    status: 200,
    body: { token_type: 'Bearer', expires_in: seconds, ext_expires_in: seconds, access_token: access },
  };
}

function bySecret(app: App, form: URLSearchParams, now: number): CloudAnswer | undefined {
  const secret = app.secrets.find(({ value }) => value === form.get('client_secret'));
  if (!secret) return refused(7000215, 'invalid_client', 401);
  return secret.endsAt <= now ? refused(7000222, 'invalid_client', 401) : undefined;
}

async function byAssertion(app: App, assertion: string, now: number): Promise<CloudAnswer | undefined> {
  const { iss, sub, aud, exp = 0, iat = 0 } = decodeJwt(assertion);
  if (app.federated.length === 0) return refused(70025, 'invalid_client', 401);
  const ofIssuer = app.federated.filter(({ issuer }) => issuer === iss);
  if (ofIssuer.length === 0) return refused(700211, 'invalid_request');
  const ofAudience = ofIssuer.filter(({ audience }) => audience === aud);
  if (ofAudience.length === 0) return refused(700212, 'invalid_request');
  const fitting = ofAudience.find(({ subject }) => subject === sub);
  if (!fitting) return refused(700213, 'invalid_request');
  const isSigned = await compactVerify(assertion, fitting.publicKey).then(
    () => true,
    () => false,
  );
  if (!isSigned) return refused(700027, 'invalid_client', 401);
  return exp * 1000 <= now || iat * 1000 > now + 60_000 ? refused(700024, 'invalid_client', 401) : undefined;
}
