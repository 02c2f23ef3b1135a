import { type CloudAnswer, type CloudRequest, startCloudServer } from '../cloud-server.ts';
import * as entra from './entra.ts';
import * as registry from './registry.ts';
import { createState } from './state.ts';

export type AzureStandIn = Awaited<ReturnType<typeof startAzure>>;

/**
 * Simulates Entra and the token endpoints of every registry on one origin with different paths. It follows Microsoft's
 * documentation and not a recording. `authority` is the address of Entra.
 */
export async function startAzure(options: { certificate: { cert: string; key: string }; authority?: string }) {
  const { certificate, authority = 'https://login.microsoftonline.com' } = options;
  const state = createState();
  const clock = { offsetMs: 0 };
  const now = () => Date.now() + clock.offsetMs;

  async function handle(request: CloudRequest): Promise<CloudAnswer> {
    const { method, path } = request;
    if (method === 'POST' && path === '/oauth2/exchange') return registry.exchange(state, request, now());
    if (method === 'POST' && path === '/oauth2/token') return registry.token(state, request, now());
    const [, tenantId = '', rest] = /^\/([^/]+)\/(.+)$/.exec(path) ?? [];
    if (method === 'GET' && rest === 'v2.0/.well-known/openid-configuration') {
      return entra.discovery(state, authority, tenantId);
    }
    if (method === 'POST' && rest === 'oauth2/v2.0/token') return entra.token(state, tenantId, request, now());
    return { status: 404, body: { error: 'not_found' } };
  }

  const server = await startCloudServer({ certificate, now, handle });
  return { ...server, state, clock };
}
