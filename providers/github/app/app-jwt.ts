import type { KeyObject } from 'node:crypto';
import { SignJWT } from 'jose';

/** GitHub refuses a JWT from the future, and one that is valid for more than ten minutes. Clocks differ by seconds. */
const backdatedSeconds = 60;
const goodForSeconds = 9 * 60;

/** The JWT that an App signs its requests with. `hostNow` is GitHub's time in ms, because our clock might be wrong. */
export async function appJwt({
  appId,
  privateKey,
  hostNow,
}: {
  appId: number | string;
  privateKey: KeyObject;
  hostNow: number;
}): Promise<{ jwt: string; expiresAt: string }> {
  const now = Math.floor(hostNow / 1000);
  const claims = { iat: now - backdatedSeconds, exp: now + goodForSeconds, iss: String(appId) };
  const jwt = await new SignJWT(claims).setProtectedHeader({ alg: 'RS256', typ: 'JWT' }).sign(privateKey);
  return { jwt, expiresAt: new Date(claims.exp * 1000).toISOString() };
}
