import { z } from 'zod';
import type { ApiDeps } from '../http/deps.ts';
import { type Endpoint, endpoint, reply } from '../http/endpoint.ts';

const discovery = z
  .object({
    issuer: z.string(),
    jwks_uri: z.string(),
    response_types_supported: z.array(z.string()),
    subject_types_supported: z.array(z.string()),
    id_token_signing_alg_values_supported: z.array(z.string()),
    scopes_supported: z.array(z.string()),
    claims_supported: z.array(z.string()),
  })
  .meta({ id: 'OpenIdConfiguration' });

const jwk = z
  .object({
    kid: z.string(),
    kty: z.string(),
    alg: z.string(),
    use: z.literal('sig'),
    n: z.string(),
    e: z.string(),
  })
  .meta({ id: 'JsonWebKey' });

const keySet = z.object({ keys: z.array(jwk) }).meta({ id: 'JsonWebKeySet' });

/** Fairlead publishes a new key a day before it signs with it, so a cache of an hour does no harm. */
const cacheable = { 'cache-control': 'public, max-age=3600' };
const keysPath = '/.well-known/jwks.json';

/** The documents that a cloud reads to verify tokens from Fairlead (OpenID Connect Discovery 1.0, RFC 7517). */
export function oidcIssuerRoutes({ issuer, links }: ApiDeps): Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: '/.well-known/openid-configuration',
      operationId: 'getIssuer',
      tag: 'service',
      summary: 'Get the OIDC issuer configuration',
      description: 'Clouds read it to verify the tokens of Fairlead. See docs/clouds.md.',
      access: 'public',
      unlimited: true,
      success: { status: 200, body: discovery },
      async read() {
        const body = {
          issuer: links.publicUrl,
          jwks_uri: links.publicUrl + keysPath,
          response_types_supported: ['id_token'],
          subject_types_supported: ['public'],
          id_token_signing_alg_values_supported: ['RS256'],
          scopes_supported: ['openid'],
          claims_supported: ['iss', 'sub', 'aud', 'iat', 'exp', 'jti', 'org_id', 'project_id', 'integration_id'],
        };
        return reply({ body, headers: cacheable });
      },
    }),
    endpoint({
      method: 'get',
      path: keysPath,
      operationId: 'getIssuerKeys',
      tag: 'service',
      summary: 'Get the OIDC signing keys',
      description:
        'Contains the keys that sign tokens now. A new key appears a day before its first use, and an old key stays a day after its last use.',
      access: 'public',
      // A cloud sends the requests of all its customers from shared addresses. A rate limit could lock out every tenant
      // here.
      unlimited: true,
      success: { status: 200, body: keySet },
      read: async () => reply({ body: { keys: await issuer.keys() }, headers: cacheable }),
    }),
  ];
}
