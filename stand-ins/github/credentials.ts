import { createHash, createPublicKey, createVerify, generateKeyPairSync, randomBytes } from 'node:crypto';
import { Refused } from './answers.ts';
import type { App, State } from './state.ts';

/** GitHub's limits for an App. */
const mostKeys = 25;

type KeyPair = { privateKey: string; publicKey: string };

let makeKeyPair = (): KeyPair =>
  generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });

export function newKeyPair(): KeyPair {
  return makeKeyPair();
}

/** Replaces the function that makes the keys of Apps. The usual one blocks the process for up to a second. */
export function makeKeyPairsWith(make: () => KeyPair): void {
  makeKeyPair = make;
}

/**
 * Returns a key as the settings show it: base64 of the SHA-256 of its public half. The argument is a private or public
 * key.
 */
export function fingerprintOf(pem: string): string {
  const der = createPublicKey(pem).export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(der).digest('base64');
}

/** Returns the public halves of all keys that sign for the App. */
export function keysOf({ publicKey, otherPublicKeys }: App): string[] {
  return [publicKey, ...otherPublicKeys];
}

/** Does what "Generate a private key" does. The result is shown only once. */
export function addKey(app: App): string {
  if (keysOf(app).length >= mostKeys) throw new Refused(422, `An App has ${mostKeys} private keys at most.`);
  const { privateKey, publicKey } = newKeyPair();
  app.otherPublicKeys.push(publicKey);
  return privateKey;
}

/** Deletes a key, named by either half or by its fingerprint. The last key cannot be deleted. */
export function deleteKey(app: App, key: string): void {
  const fingerprint = key.startsWith('-----') ? fingerprintOf(key) : key;
  const all = keysOf(app);
  const gone = all.find((one) => fingerprintOf(one) === fingerprint);
  if (!gone) throw new Refused(404, 'Not Found');
  const [first, ...others] = all.filter((one) => one !== gone);
  if (!first) throw new Refused(422, 'You cannot delete the only private key of an App.');
  Object.assign(app, { publicKey: first, otherPublicKeys: others });
  app.deletedPublicKeys.push(gone);
}

export function clientSecretsOf({ clientSecret, otherClientSecrets }: App): string[] {
  return [clientSecret, ...otherClientSecrets];
}

/** Does what "Generate a new client secret" does. Earlier secrets stay valid. */
export function addClientSecret(app: App): string {
  const secret = randomBytes(20).toString('hex');
  app.otherClientSecrets.push(secret);
  return secret;
}

/** Deletes a client secret, named by the secret or by its last eight characters. */
export function deleteClientSecret(app: App, secret: string): void {
  const [first, ...others] = clientSecretsOf(app).filter((one) => !one.endsWith(secret));
  if (!first) throw new Refused(422, 'You cannot delete the only client secret of an App.');
  if (others.length + 1 === clientSecretsOf(app).length) throw new Refused(404, 'Not Found');
  Object.assign(app, { clientSecret: first, otherClientSecrets: others });
}

/**
 * Returns which credential of an App a request used, valid or deleted: `key <fingerprint>` or `client_secret <its last
 * eight characters>`.
 */
export function credentialOf({ apps }: State, authorization = ''): string | undefined {
  const [, scheme = '', value = ''] = /^(\S+) (.+)$/.exec(authorization) ?? [];
  if (/^basic$/i.test(scheme)) return `client_secret ${Buffer.from(value, 'base64').toString('utf8').slice(-8)}`;
  const [head = '', payload = '', signature = '', ...more] = value.split('.');
  if (signature === '' || more.length > 0 || value.startsWith('gh')) return undefined;
  const isSigner = (key: string) =>
    createVerify('RSA-SHA256').update(`${head}.${payload}`).verify(key, signature, 'base64url');
  for (const app of apps.values()) {
    const signer = [...keysOf(app), ...app.deletedPublicKeys].find(isSigner);
    if (signer) return `key ${fingerprintOf(signer)}`;
  }
  return undefined;
}
