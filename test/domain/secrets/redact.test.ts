import { expect, test } from 'vitest';
import { redact, redactDeep } from '../../../domain/secrets/redact.ts';

const canary = 'cnry0123456789abcdefABCDEF0123456789';
const jwt = `eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIxMjM0NSJ9.${canary}`;
const pem = `-----BEGIN RSA PRIVATE KEY-----\n${canary}\n${canary}\n-----END RSA PRIVATE KEY-----`;

test.each([
  ['an installation token', `ghs_${canary}`],
  ['an installation token in the format of 2026', `ghs_123456_${jwt}`],
  ['a user token', `ghu_${canary}`],
  ['a refresh token', `ghr_${canary}`],
  ['a personal token', `ghp_${canary}`],
  ['a fine-grained personal token', `github_pat_11ABC_${canary}`],
  ['our API token', `flt_${canary}`],
  ['our session', `fls_${canary}`],
  ['a GitLab token', `glpat-${canary}`],
  ['a Docker Hub token', `dckr_pat_${canary}`],
  ['a JWT', jwt],
  ['a private key', pem],
  ['a private key on one line', JSON.stringify(pem)],
  ['an AWS access key', `AKIA${canary.toUpperCase()}`],
  ['a Basic header', `Authorization: Basic ${canary}`],
  ['a short Basic header', 'authorization: basic cnryYTpi'],
  ['a Bearer header', `Bearer ${canary}`],
  ['a header in JSON', `{"authorization":"token ${canary}"}`],
  ['a user in an address', `https://oauth2:${canary}@git.example/x.git`],
  ['a password with an @ in an address', `https://user:p@${canary}@git.example/x.git`],
  ['a client secret', `client_id=abc&client_secret=${canary}&grant_type=x`],
  ['a token in a query', `https://git.example/x?token=${canary}&page=2`],
  ['a code in a query', `https://git.example/cb?code=${canary}&page=2`],
  ['a secret in JSON', `{"webhook_secret": "${canary}"}`],
])('redacts %s', (_, secret) => {
  const safe = redact(`before ${secret} after`);

  expect(safe).not.toContain('cnry');
  expect(safe).not.toContain('CNRY');
  expect(safe).toMatch(/^before .* after$/s);
});

test('redacts a truncated private key up to the end of the text', () => {
  expect(redact(`before ${pem.slice(0, 60)}`)).toBe('before [redacted]');
});

test('keeps the text around a secret', () => {
  expect(redact(`GET https://u:${canary}@git.example/a?token=${canary}&page=2 failed`)).toBe(
    'GET https://[redacted]@git.example/a?token=[redacted]&page=2 failed',
  );
});

test('does not change a text without secrets', () => {
  const text = 'Build bld_01k9 of acme/web at 4f2a9c failed: the token was rejected (401), basic authentication is off';

  expect(redact(text)).toBe(text);
});

test('redacts a secret in use of any shape and encoding', () => {
  const value = 'correct horse/"battery"\nstaple';
  const text = `${value} | ${encodeURIComponent(value)} | ${JSON.stringify(value)}`;

  expect(redact(text, [value])).toBe('[redacted] | [redacted] | "[redacted]"');
  expect(redact('short ab', ['ab'])).toBe('short ab');
});

test('redacts secrets in nested values, by key and inside strings', () => {
  const error = new Error(`refused ghs_${canary}`, { cause: { privateKey: canary } });
  const circular: Record<string, unknown> = { name: 'loop' };
  circular['self'] = circular;
  const value = {
    ids: { tokenId: 'tok_1', installation_id: 7, secret: '' },
    list: [{ 'Set-Cookie': canary, access_token: canary, client_secret: canary, pem: canary }],
    note: `see glpat-${canary}`,
    map: new Map([['webhook_secret', canary]]),
    bytes: Buffer.from(canary),
    url: new URL(`https://u:${canary}@git.example/`),
    error,
    circular,
  };

  const safe = redactDeep(value);

  expect(JSON.stringify(safe)).not.toContain('cnry');
  expect(safe).toMatchObject({
    ids: { tokenId: 'tok_1', installation_id: 7, secret: '' },
    error: { message: 'refused [redacted]', cause: { privateKey: '[redacted]' } },
    circular: { name: 'loop', self: '[circular]' },
  });
});

test.each([
  'eyJ',
  '-----BEGIN A-----',
  '-----BEGIN ',
  'ghs_',
  'ghs_a',
  '://',
  '://a:',
  'authorization: ',
  '"token":"',
  '"a',
  'Bearer ',
  'token',
  'a',
  ' ',
  '?code=',
])('redacts a long text of "%s" in linear time', (unit) => {
  const time = (length: number) => {
    const text = unit.repeat(Math.ceil(length / unit.length));
    const start = performance.now();
    redact(text);
    return performance.now() - start;
  };
  time(10_000);

  // Quadratic work on a megabyte would take minutes.
  expect(time(1_000_000)).toBeLessThan(1000);
});
