import { z } from 'zod';
import { csrfTokenOf } from '../http/authenticate.ts';
import { type Endpoint, endpoint } from '../http/endpoint.ts';
import type { FrameState } from '../http/request-frame.ts';

const MeView = z
  .object({
    id: z.string(),
    kind: z.enum(['operator', 'session', 'token']),
    ops: z.boolean(),
    grants: z.array(z.object({ org_id: z.string(), project_id: z.string().nullable(), scopes: z.array(z.string()) })),
    csrf_token: z.string().optional().describe('Only if you sent the cookie of a session'),
  })
  .meta({ id: 'Caller' });

export function meRoutes(): Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: '/v1/me',
      operationId: 'getMe',
      tag: 'people',
      summary: 'Get the caller and its grants',
      access: 'signed_in',
      success: { status: 200, body: MeView },
      async read({ caller, ctx }) {
        const { sessionToken } = ctx.state as FrameState;
        return {
          id: caller.id,
          kind: caller.kind,
          ops: caller.ops,
          grants: caller.grants.map(({ orgId, projectId = null, scopes }) => ({
            org_id: orgId,
            project_id: projectId,
            scopes: [...scopes],
          })),
          ...(sessionToken && { csrf_token: csrfTokenOf(sessionToken) }),
        };
      },
    }),
  ];
}
