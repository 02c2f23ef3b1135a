import { createSign } from 'node:crypto';
import type { App } from '../../../stand-ins/github/state.ts';

export type Asked = { status: number; headers: Headers; body: Record<string, unknown> };

/** A bare client of the stand-in's API. */
export async function ask(
  url: string,
  request: string,
  { authorization, body, headers }: { authorization?: string; body?: unknown; headers?: Record<string, string> } = {},
): Promise<Asked> {
  const [method = 'GET', path = ''] = request.split(' ');
  const response = await fetch(`${url}${path}`, {
    method,
    redirect: 'manual',
    headers: { ...(authorization && { authorization }), 'content-type': 'application/json', ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const parsed = /^[[{]/.test(text) ? (JSON.parse(text) as Record<string, unknown>) : { text };
  return { status: response.status, headers: response.headers, body: parsed };
}

/** Returns `Bearer …`, signed as the App signs. Times are seconds from now. */
export function appJwt(
  app: App,
  { iat = -30, exp = 500, iss = app.appId, key = app.privateKey }: Partial<JwtParts> = {},
): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const content = `${part({ alg: 'RS256', typ: 'JWT' })}.${part({ iat: now + iat, exp: now + exp, iss })}`;
  return `Bearer ${content}.${createSign('RSA-SHA256').update(content).sign(key, 'base64url')}`;
}

type JwtParts = { iat: number; exp: number; iss: number | string; key: string };
