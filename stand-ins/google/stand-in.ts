import { type CloudAnswer, type CloudRequest, startCloudServer } from '../cloud-server.ts';
import { testPermissions } from './artifact-registry.ts';
import { type Agreement, agree } from './consent.ts';
import { createState } from './state.ts';
import { exchange, generateAccessToken, revoke, token } from './tokens.ts';

export type GoogleStandIn = Awaited<ReturnType<typeof startGoogle>>;

/**
 * Simulates the Security Token Service, IAM Credentials, OAuth and Artifact Registry's permissions on one origin with
 * different paths. It follows Google's documentation and not a recording.
 */
export async function startGoogle({ certificate }: { certificate: { cert: string; key: string } }) {
  const state = createState();
  const clock = { offsetMs: 0 };
  const now = () => Date.now() + clock.offsetMs;

  async function handle(request: CloudRequest): Promise<CloudAnswer> {
    const { method, path } = request;
    if (method !== 'POST') return { status: 404, body: { error: { code: 404, status: 'NOT_FOUND' } } };
    if (path === '/v1/token') return exchange(state, request, now());
    if (path === '/token') return token(state, request, now());
    if (path === '/revoke') return revoke(state, request);
    if (path.endsWith(':generateAccessToken')) return generateAccessToken(state, request, now());
    if (path.endsWith(':testIamPermissions')) return testPermissions(state, request, now());
    return { status: 404, body: { error: { code: 404, status: 'NOT_FOUND' } } };
  }

  const server = await startCloudServer({ certificate, now, handle });
  return {
    ...server,
    state,
    clock,
    agree: (page: URL, agreement?: Agreement): string => agree(state, page, agreement),
  };
}
