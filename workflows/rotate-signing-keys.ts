import * as activities from './activities.ts';

/** Started each day: publishes the next key of the issuer when its day has come, and ends those that are over. */
export async function rotateSigningKeys(): Promise<void> {
  await activities.rotateSigningKeys();
}
