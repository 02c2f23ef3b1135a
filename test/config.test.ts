import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { expect, test } from 'vitest';
import { ConfigError, loadConfig } from '../config.ts';
import { rsaKeyPair } from './support/rsa-keys.ts';

const key = randomBytes(32).toString('base64');

function problemsOf(env: Record<string, string>): string {
  try {
    loadConfig(env);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as Error).message;
  }
  return '';
}

test('needs no setting for the embedded default', () => {
  const config = loadConfig({});
  expect(config).toMatchObject({ port: 8080, dataDir: 'data', publicUrl: 'http://localhost:8080', host: '127.0.0.1' });
  expect(config.github).toBeUndefined();
  expect(config.masterKeys).toBeUndefined();
});

test('treats an empty variable as absent', () => {
  expect(loadConfig({ FAIRLEAD_PORT: '', DATABASE_URL: ' ', GITHUB_APP_ID: '' }).port).toBe(8080);
});

test('keeps bodies for two weeks and history for 90 days, unless the operator sets other ages', () => {
  const day = 24 * 3_600_000;
  expect(loadConfig({}).retention).toEqual({ bodyMs: 14 * day, historyMs: 90 * day });
  const given = loadConfig({ FAIRLEAD_WEBHOOK_BODY_DAYS: '3', FAIRLEAD_HISTORY_DAYS: '400' });
  expect(given.retention).toEqual({ bodyMs: 3 * day, historyMs: 400 * day });
});

test.each([
  ['FAIRLEAD_PORT', 'eighty', 'a whole number from 0 to 65535'],
  ['FAIRLEAD_WEBHOOK_BODY_DAYS', '1', 'a whole number from 2 to 3650'],
  ['FAIRLEAD_HISTORY_DAYS', '34', 'a whole number from 35 to 36500'],
  ['FAIRLEAD_PORT', '70000', 'a whole number from 0 to 65535'],
  ['FAIRLEAD_SHUTDOWN_SECONDS', '1.5', 'a whole number from 1 to 86400'],
  ['GITHUB_APP_ID', '-1', 'a whole number from 1 to'],
])('names the numbers that %s can be instead of %s', (name, value, expected) => {
  expect(problemsOf({ [name]: value })).toContain(`${name}: must be ${expected}`);
});

test('reports all mistakes at once, by name and without any value', () => {
  const message = problemsOf({
    FAIRLEAD_PORT: 'eighty',
    DATABASE_URL: 'mysql://root:hunter2@db/fairlead',
    FAIRLEAD_MASTER_KEYS: 'k1:c2hvcnQ=',
    FAIRLEAD_ADMIN_TOKEN: 'tooshort-secret',
    TEMPORAL_ADDRESS: 'http://temporal',
  });
  for (const name of [
    'FAIRLEAD_PORT',
    'DATABASE_URL',
    'FAIRLEAD_MASTER_KEYS',
    'FAIRLEAD_ADMIN_TOKEN',
    'TEMPORAL_ADDRESS',
  ]) {
    expect(message).toContain(name);
  }
  for (const value of ['hunter2', 'c2hvcnQ', 'tooshort-secret']) expect(message).not.toContain(value);
});

test.each(['http://temporal', 'temporal.internal', 'temporal:0', 'temporal:70000', 'temporal:7233/x'])(
  'refuses %s as the address of Temporal, because it could never be connected to',
  (address) => {
    expect(problemsOf({ TEMPORAL_ADDRESS: address })).toContain('TEMPORAL_ADDRESS: must be host:port');
  },
);

test('refuses files for Temporal’s TLS that are not certificates, or do not belong together', () => {
  const tls = (name: string) => path.join(import.meta.dirname, 'support', 'tls', name);
  const files = (ca: string, cert: string, key: string) => ({
    TEMPORAL_TLS_CA_FILE: ca,
    TEMPORAL_TLS_CERT_FILE: cert,
    TEMPORAL_TLS_KEY_FILE: key,
  });
  expect(problemsOf(files(tls('clouds.pem'), tls('clouds.pem'), tls('clouds-key.pem')))).toBe('');
  const text = problemsOf(files(import.meta.filename, tls('clouds.pem'), tls('loopback-key.pem')));
  expect(text).toContain('TEMPORAL_TLS_CA_FILE: must be a certificate in PEM');
  expect(text).toContain('TEMPORAL_TLS_CERT_FILE and TEMPORAL_TLS_KEY_FILE: must be a certificate and its private key');
});

test('takes the proxy in both spellings, the lower one first, and never shows it', () => {
  expect(loadConfig({}).proxy).toBeUndefined();
  const given = { HTTPS_PROXY: 'http://upper:3128', https_proxy: 'http://lower:3128', no_proxy: '.internal' };
  expect(loadConfig(given).proxy).toEqual({ url: 'http://lower:3128', noProxy: '.internal' });
  expect(loadConfig({ HTTPS_PROXY: 'proxy.internal:3128' }).proxy).toEqual({
    url: 'http://proxy.internal:3128',
    noProxy: '',
  });
  for (const value of [
    'socks5://user:hunter2@proxy:1080',
    'http://',
    'http://user:hunter2%@proxy:1',
    'http://u%2:0b@proxy:1',
  ])
    expect(problemsOf({ HTTPS_PROXY: value })).toMatch(/HTTPS_PROXY: must be/);
  expect(problemsOf({ HTTPS_PROXY: 'socks5://user:hunter2@proxy:1080' })).not.toContain('hunter2');
});

test('refuses a public URL with a path, because Fairlead serves at the root of a host', () => {
  for (const url of ['https://example.com/fairlead', 'https://example.com/?x', 'https://u:p@example.com']) {
    expect(problemsOf({ FAIRLEAD_PUBLIC_URL: url })).toContain('FAIRLEAD_PUBLIC_URL: must have no path');
  }
  expect(loadConfig({ FAIRLEAD_PUBLIC_URL: 'https://example.com/' }).publicUrl).toBe('https://example.com');
});

test('requires your own master keys with Postgres', () => {
  expect(problemsOf({ DATABASE_URL: 'postgres://db/fairlead' })).toMatch(/FAIRLEAD_MASTER_KEYS: is needed/);
  expect(problemsOf({ DATABASE_URL: 'postgres://db/fairlead', FAIRLEAD_MASTER_KEYS: `k1:${key}` })).toBe('');
  for (const unusable of ['mysql://db/fairlead', 'postgres://[::1', 'postgres://u:p@db:99999/f']) {
    const said = problemsOf({ DATABASE_URL: unusable, FAIRLEAD_MASTER_KEYS: `k1:${key}` });
    expect(said).toMatch(/DATABASE_URL: must be a postgres:\/\/ URL/);
    expect(said).not.toContain(unusable);
  }
  // Fairlead accepts what the database client accepts: a Unix socket, and a password with a bare percent sign.
  for (const usable of ['postgres://u:p@/db?host=/cloudsql/p:r:i', 'postgres://u:100%@h/db', 'postgres://u:pa%ss@h/db'])
    expect(problemsOf({ DATABASE_URL: usable, FAIRLEAD_MASTER_KEYS: `k1:${key}` })).toBe('');
});

test('keeps the order of master keys and rejects an id that occurs twice', () => {
  const other = randomBytes(32).toString('base64');
  const { masterKeys } = loadConfig({ FAIRLEAD_MASTER_KEYS: `k2:${other},k1:${key}` });
  expect(masterKeys?.map(({ id }) => id)).toEqual(['k2', 'k1']);
  expect(problemsOf({ FAIRLEAD_MASTER_KEYS: `k1:${other},k1:${key}` })).toMatch(/FAIRLEAD_MASTER_KEYS/);
});

test('requires all settings of the operator’s GitHub App or none', () => {
  expect(problemsOf({ GITHUB_APP_ID: '7' })).toMatch(
    /GITHUB_APP_PRIVATE_KEY[\s\S]*GITHUB_APP_WEBHOOK_SECRET[\s\S]*SLUG/,
  );
  expect(problemsOf({ GITHUB_APP_SLUG: 'x' })).toMatch(/GITHUB_APP_ID: is missing/);
  const { privateKey } = rsaKeyPair();
  const config = loadConfig({
    GITHUB_APP_ID: '7',
    GITHUB_APP_SLUG: 'fairlead',
    GITHUB_APP_PRIVATE_KEY: privateKey.replaceAll('\n', '\\n'),
    GITHUB_APP_WEBHOOK_SECRET: 'sixteen-characters',
  });
  expect(config.github).toMatchObject({ appId: 7, hostUrl: 'https://github.com' });
  expect(config.github?.privateKey).toBe(privateKey);
});

test('refuses to start with an unusable private key of the GitHub App, and names the setting', () => {
  const app = { GITHUB_APP_ID: '7', GITHUB_APP_SLUG: 'fairlead', GITHUB_APP_WEBHOOK_SECRET: 'sixteen-characters' };
  const broken = '-----BEGIN RSA PRIVATE KEY-----\nQUJD\n-----END RSA PRIVATE KEY-----';
  for (const text of [broken, 'the key', rsaKeyPair().publicKey]) {
    const message = problemsOf({ ...app, GITHUB_APP_PRIVATE_KEY: text });
    expect(message).toContain('GITHUB_APP_PRIVATE_KEY: must be an RSA private key in PEM');
    expect(message).not.toContain('QUJD');
  }
  expect(problemsOf({ ...app, GITHUB_APP_PRIVATE_KEY_FILE: import.meta.filename })).toContain(
    'GITHUB_APP_PRIVATE_KEY_FILE: must be an RSA private key in PEM',
  );
});

test('removes line breaks around a secret, and refuses other whitespace', () => {
  const secret = 'q8Zr2mVx7Lw0TnKc5Hs9Yb4F';
  const adminToken = 'an-operator-token-of-enough-characters';
  const app = { GITHUB_APP_ID: '7', GITHUB_APP_SLUG: 'fairlead', GITHUB_APP_PRIVATE_KEY: rsaKeyPair().privateKey };
  const config = loadConfig({
    ...app,
    GITHUB_APP_WEBHOOK_SECRET: `${secret}\r\n`,
    GITHUB_APP_CLIENT_SECRET: `\n${secret}\n`,
    FAIRLEAD_ADMIN_TOKEN: `${adminToken}\n`,
  });
  expect(config.github).toMatchObject({ webhookSecret: secret, clientSecret: secret });
  expect(config.adminToken).toBe(adminToken);
  for (const name of ['GITHUB_APP_WEBHOOK_SECRET', 'GITHUB_APP_CLIENT_SECRET', 'GOOGLE_OAUTH_CLIENT_SECRET']) {
    expect(problemsOf({ ...app, [name]: `${secret} ` })).toContain(`${name}: must not begin or end with whitespace`);
  }
});

const zeros = Buffer.alloc(32).toString('base64');
const digits = Buffer.from('0123456789abcdef'.repeat(2)).toString('base64');

test.each([
  ['FAIRLEAD_MASTER_KEYS', `k1:${zeros}`, 'different characters', zeros],
  ['FAIRLEAD_MASTER_KEYS', `k2:${key},k1:${zeros}`, 'the key k1', zeros],
  ['FAIRLEAD_MASTER_KEYS', `k1:${digits}`, 'sequence', digits],
  ['FAIRLEAD_ADMIN_TOKEN', 'a'.repeat(40), 'different characters'],
  ['FAIRLEAD_ADMIN_TOKEN', 'change-me-change-me-change-me-now-please', 'placeholder'],
  ['FAIRLEAD_ADMIN_TOKEN', 'hunter2-'.repeat(5), 'repeats'],
  ['GITHUB_APP_WEBHOOK_SECRET', 'x'.repeat(20), 'different characters'],
  ['GITHUB_APP_WEBHOOK_SECRET', '<your webhook secret>', 'placeholder'],
])('refuses to start with %s %s, and says how to create a good one', (name, value, why, secret = value) => {
  const message = problemsOf({ [name]: value });
  expect(message).toMatch(new RegExp(`${name}: .*easy to guess: it .*${why}|${name}: ${why}.*easy to guess`));
  expect(message).toMatch(/Generate one with: node -p .*randomBytes\(32\)/);
  expect(message).not.toContain(secret);
});

test('rejects an admin token that no Authorization header can carry', () => {
  for (const token of [
    'with a space in the middle of it 0123',
    'ümläute-are-no-ascii-0123456789abcdef',
    `=${'a'.repeat(40)}`,
  ]) {
    const message = problemsOf({ FAIRLEAD_ADMIN_TOKEN: token });
    expect(message).toMatch(/FAIRLEAD_ADMIN_TOKEN: .*letters, digits/);
    expect(message).not.toContain(token);
  }
  const token = 'AZaz09-._~+/BYby18-._~+/CXcx27-._~+/==';
  expect(loadConfig({ FAIRLEAD_ADMIN_TOKEN: token }).adminToken).toBe(token);
});

test('allows the configured time to stop, and a little more', () => {
  expect(loadConfig({})).toMatchObject({ shutdownMs: 25_000, stopLimitMs: 30_000 });
  expect(loadConfig({ FAIRLEAD_SHUTDOWN_SECONDS: '120' })).toMatchObject({ stopLimitMs: 125_000 });
});

const [local, open, tunnel] = ['http://10.0.0.7:8080', 'https://fairlead.example.com', 'https://hooks.example.com'];
test.each([
  ['nothing is set', {}, 'pull', undefined],
  ['the address is a private one', { FAIRLEAD_PUBLIC_URL: local }, 'pull', undefined],
  ['the address is public', { FAIRLEAD_PUBLIC_URL: open }, 'push', undefined],
  ['webhooks have a public address of their own', { FAIRLEAD_WEBHOOK_URL: `${tunnel}/` }, 'push', tunnel],
  ['somebody says so', { FAIRLEAD_PUBLIC_URL: open, FAIRLEAD_WEBHOOK_MODE: 'pull' }, 'pull', undefined],
  ['somebody knows better', { FAIRLEAD_PUBLIC_URL: local, FAIRLEAD_WEBHOOK_MODE: 'push' }, 'push', undefined],
] as const)('chooses the webhook mode for %s', (_, env, mode, webhookUrl) => {
  expect(loadConfig(env).webhooks).toEqual({ mode, webhookUrl });
});

test('rejects an unknown mode', () => {
  expect(problemsOf({ FAIRLEAD_WEBHOOK_MODE: 'both' })).toContain('FAIRLEAD_WEBHOOK_MODE');
});
