import { type KeyObject, sign } from 'node:crypto';
import { promisify } from 'node:util';

const signed = promisify<string, Buffer, KeyObject, Buffer>(sign);

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
  const claims = { iat: now - backdatedSeconds, exp: now + goodForSeconds, iss: appId };
  const content = `${part({ alg: 'RS256', typ: 'JWT' })}.${part(claims)}`;
  const signature = await signed('RSA-SHA256', Buffer.from(content), privateKey);
  return `${content}.${signature.toString('base64url')}`;
}

function part(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
