import type { Context } from 'koa';
import { hashSecret, newSecret } from '../../db/secret-text.ts';

/** As long as an owner's approval may take. */
const maxAgeSeconds = 31 * 24 * 3600;

/** Several flows may be open in one browser, so each has a cookie of its own. */
function nameOf(flowId: string): string {
  return `fairlead_${flowId}`;
}

/** The hash of the cookie that binds this browser to the flow, where it has one. */
export function flowCookieHash(ctx: Context, flowId: string): string | undefined {
  const secret = ctx.cookies.get(nameOf(flowId));
  return secret ? hashSecret(secret) : undefined;
}

/** A new cookie, which is set once its hash is the flow's. */
export function newFlowCookie(flowId: string, publicUrl: string): { hash: string; header: string } {
  const secret = newSecret('');
  const secure = publicUrl.startsWith('https:') ? '; Secure' : '';
  const header = `${nameOf(flowId)}=${secret}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${maxAgeSeconds}${secure}`;
  return { hash: hashSecret(secret), header };
}
