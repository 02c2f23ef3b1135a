import { expect, test } from 'vitest';
import { parseAllowedHosts } from '../../../domain/connect/allowed-hosts.ts';
import { tenantHostUrl } from '../../../domain/connect/host-url.ts';

const allowed = parseAllowedHosts('git.internal http://127.0.0.1:4010');

test.each([
  ['https://github.com', 'https://github.com'],
  ['https://github.com/', 'https://github.com'],
  ['https://GHE.acme.com', 'https://ghe.acme.com'],
  ['https://acme.ghe.com', 'https://acme.ghe.com'],
  ['https://git.internal', 'https://git.internal'],
  ['http://127.0.0.1:4010', 'http://127.0.0.1:4010'],
])('accepts %s', (text, origin) => {
  expect(tenantHostUrl(text, allowed)).toBe(origin);
});

test.each([
  'github.com',
  'http://github.com',
  'https://github.com:8443',
  'https://github.com/acme',
  'https://github.com?x=1',
  'https://user:secret@github.com',
  'https://localhost',
  'https://localhost.',
  'https://app.localhost',
  'https://intranet',
  'https://git.corp',
  'https://other.internal',
  'https://169.254.169.254',
  'https://10.0.0.1',
  'https://2130706433',
  'https://0x7f000001',
  'https://127.1',
  'https://[::1]',
  'https://[::ffff:127.0.0.1]',
  'https://①②⑦.0.0.1',
  'http://127.0.0.1:4011',
  'https://127.0.0.1:4010',
  'file:///etc/passwd',
])('rejects %s', (text) => {
  expect(tenantHostUrl(text, allowed)).toBeUndefined();
});
