import * as activities from './activities.ts';

/** Runs each day. Publishes the next signing key of the issuer when it is due, and removes keys that have ended. */
export async function rotateSigningKeys(): Promise<void> {
  await activities.rotateSigningKeys();
}
