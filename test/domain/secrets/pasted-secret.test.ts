import { createPublicKey } from 'node:crypto';
import { expect, test } from 'vitest';
import { hasOuterWhitespace, tidyPrivateKey, withoutOuterLineBreaks } from '../../../domain/secrets/pasted-secret.ts';
import { rsaKeyObjects, rsaKeyPair } from '../../support/rsa-keys.ts';

test.each([
  ['secret\n', 'secret'],
  ['\r\nsecret\r\n\r\n', 'secret'],
  ['two\nlines', 'two\nlines'],
  [' secret ', ' secret '],
  ['\n', ''],
])('removes line breaks around %j', (text, rest) => {
  expect(withoutOuterLineBreaks(text)).toBe(rest);
});

test('takes linear time for a text of many line breaks', () => {
  const text = `${'\n'.repeat(200_000)}x${'\n'.repeat(200_000)}`;
  const startedAt = performance.now();
  expect(withoutOuterLineBreaks(`y${text}y`)).toHaveLength(400_003);
  expect(performance.now() - startedAt).toBeLessThan(100);
});

test('detects every kind of outer whitespace', () => {
  expect(['a ', '\ta', 'a\u00a0', '\ufeffa'].map(hasOuterWhitespace)).toEqual([true, true, true, true]);
  expect(hasOuterWhitespace('a b')).toBe(false);
});

const { privateKey } = rsaKeyPair();
const lines = privateKey.trim().split('\n');

test.each([
  ['in one line with \\n', lines.join('\\n')],
  ['in one line with \\r\\n', lines.join('\\r\\n')],
  ['in quotes', `"${lines.join('\\n')}"`],
  ['with lost line breaks', lines.join('')],
  ['with spaces in place of line breaks', lines.join(' ')],
  ['indented', lines.map((line) => `    ${line}`).join('\n')],
  ['with the line breaks of Windows', lines.join('\r\n')],
  ['in several quoted lines', lines.map((line) => `'${line}'`).join('\n')],
  ['with text around it', `my key:\n${privateKey}\nend`],
])('reads a private key %s', (_, text) => {
  expect(tidyPrivateKey(text)).toBe(privateKey);
});

test('reads a PKCS #8 key', () => {
  const { privateKey: key, publicKey } = rsaKeyObjects();
  const pem = key.export({ type: 'pkcs8', format: 'pem' }).toString();
  const tidy = tidyPrivateKey(pem.replaceAll('\n', ''));
  expect(tidy).toBe(pem);
  expect(createPublicKey(tidy).equals(publicKey)).toBe(true);
});

test.each(['', 'no key', '-----BEGIN RSA PRIVATE KEY-----', '-----BEGIN PRIVATE KEY-----?-----END PRIVATE KEY-----'])(
  'leaves %j as it is',
  (text) => {
    expect(tidyPrivateKey(text)).toBe(text);
  },
);
