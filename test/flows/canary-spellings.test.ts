import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { html } from '../../api/http/html-page.ts';
import { sweep } from '../support/canaries/canaries.ts';
import { keyCanaries } from '../support/canaries/keys.ts';

test('the sweep finds a secret in each spelling', () => {
  const secret = `a/+ "<é>'${randomBytes(24).toString('hex')}`;
  const encoded = (ahead: string) => Buffer.from(`${ahead}${secret} and more`);
  const spellings = {
    plain: `…${secret}…`,
    'in a URL': `https://example.com/?q=${encodeURIComponent(secret)}&x=1`,
    'in a form': new URLSearchParams({ q: secret, x: '1' }).toString(),
    'on a page': html`<input value="${secret}">`.text,
    'in JSON': JSON.stringify({ secret }),
    'in JSON in JSON': JSON.stringify({ text: JSON.stringify({ secret }) }),
    'in hexadecimal': encoded('').toString('hex'),
    'in capital hexadecimal': encoded('x').toString('hex').toUpperCase(),
    ...Object.fromEntries(
      ['', 'x', 'xy', 'user:'].map((ahead) => [`base64 ${ahead}`, encoded(ahead).toString('base64')]),
    ),
    ...Object.fromEntries(
      ['', 'x', 'xy', 'user:'].map((ahead) => [`base64url ${ahead}`, encoded(ahead).toString('base64url')]),
    ),
  };
  for (const [name, content] of Object.entries(spellings)) {
    expect(sweep([{ name: 'it', value: secret }], [{ name, content }])).toEqual([`it in ${name}`]);
  }
});

test('the sweep finds a private key in each format, and ignores a public key', () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pem = privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();
  const places = {
    'PKCS#1': pem,
    'PKCS#8': privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    DER: privateKey.export({ type: 'pkcs8', format: 'der' }),
    JWK: JSON.stringify(privateKey.export({ format: 'jwk' })),
    'DER in base64': privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64'),
    'PEM in JSON': JSON.stringify({ pem }),
  };
  const found = (name: string, content: string | Buffer) => sweep(keyCanaries('it', pem), [{ name, content }]);
  for (const [name, content] of Object.entries(places)) expect(found(name, content), name).not.toEqual([]);
  expect(found('public', publicKey.export({ type: 'spki', format: 'pem' }).toString())).toEqual([]);
  expect(found('JWKS', JSON.stringify(publicKey.export({ format: 'jwk' })))).toEqual([]);
});
