import type { Context } from 'koa';
import { hashSecret, newSecret } from '../../db/store/secret-text.ts';

/** As long as an owner's approval may take. */
const maxAgeSeconds = 31 * 24 * 3600;
const endedSeconds = 3600;

/** Several flows may be open in one browser, so each has a cookie of its own; on https no other host can plant one. */
function nameOf(flowId: string, isSecure: boolean): string {
  return `${isSecure ? '__Host-' : ''}fairlead_${flowId}`;
}

/** The hash of the cookie that binds this browser to the flow, where it has one. */
export function flowCookieHash(ctx: Context, flowId: string): string | undefined {
  const secret = ctx.cookies.get(nameOf(flowId, true)) ?? ctx.cookies.get(nameOf(flowId, false));
  return secret ? hashSecret(secret) : undefined;
}

/** A new cookie, which is set once its hash is the flow's. */
export function newFlowCookie(flowId: string, publicUrl: string): { hash: string; header: string } {
  const secret = newSecret('');
  return { hash: hashSecret(secret), header: headerOf(flowId, secret, maxAgeSeconds, publicUrl) };
}

/** For a flow that is over: after an hour, in which its page may still be looked at, the browser forgets it. */
export function endingFlowCookie(ctx: Context, flowId: string, publicUrl: string): string | undefined {
  const secret = ctx.cookies.get(nameOf(flowId, publicUrl.startsWith('https:')));
  return secret && headerOf(flowId, secret, endedSeconds, publicUrl);
}

function headerOf(flowId: string, secret: string, maxAge: number, publicUrl: string): string {
  const isSecure = publicUrl.startsWith('https:');
  const cookie = `${nameOf(flowId, isSecure)}=${secret}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${maxAge}`;
  return isSecure ? `${cookie}; Secure` : cookie;
}
