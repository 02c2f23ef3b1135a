import type { KeyObject } from 'node:crypto';
import { SignJWT } from 'jose';

/** GitHub refuses one that is made later than now, or good for more than ten minutes: clocks differ by seconds. */
const backdatedSeconds = 60;
const goodForSeconds = 9 * 60;

/** What an App shows instead of a token. `hostNow` is GitHub's time, ms, and not ours: ours may be wrong. */
export async function appJwt({
  appId,
  privateKey,
  hostNow,
}: {
  appId: number | string;
  privateKey: KeyObject;
  hostNow: number;
}): Promise<string> {
  const now = Math.floor(hostNow / 1000);
  const claims = { iat: now - backdatedSeconds, exp: now + goodForSeconds, iss: String(appId) };
  return new SignJWT(claims).setProtectedHeader({ alg: 'RS256', typ: 'JWT' }).sign(privateKey);
}
