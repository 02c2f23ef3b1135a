/** Well-formed hosts that `new URL` rejects: the last label is a number, or the Punycode is invalid. */
export const unparseableHosts = [
  '123456789012.dkr.ecr.eu-west-1.amazonaws.com.0.0.0.0',
  'x.0',
  'x.0x1',
  '1.2.3.4.5',
  '256.256.256.256',
  'xn--a.dev',
  'xn--.com',
  'registry.xn--0.example:8443',
];

/** Texts that make some parsers throw, or that two parsers read differently. */
export const hostileTexts = [
  ...unparseableHosts.slice(0, 2),
  ...unparseableHosts.slice(0, 2).map((host) => `https://${host}/`),
  'xn--a.dev/acme/app',
  '',
  ' ',
  '-1',
  '1e309',
  '[]',
  '{"__proto__":{"x":1}}',
  '{"a":',
  '__proto__',
  // Lone surrogates, which make encodeURIComponent throw, and other text that is hard to store or to print.
  '\ud800',
  'x\ud800.example',
  '😀'.repeat(20),
  '\u202e\u2066',
  '\ufeff',
  'a\u0000b',
  'a\r\nb: c',
  // Percent signs that cannot be decoded.
  '%',
  '%zz',
  '%ff',
  '%ED%A0%80',
  '%2e%2e%2f',
  '../../etc/passwd',
  // Addresses.
  'https://',
  'https://a:99999',
  'https://[::1',
  'https://[fe80::1%25eth0]',
  'https://a b',
  'https://x@y:z',
  'https:\\\\evil.example',
  '//evil.example',
  'javascript:alert(1)',
  'file:///etc/passwd',
  // Patterns.
  '(',
  '[',
  '*'.repeat(128),
  '\\',
  '(a+)+$',
  "'; drop table orgs; --",
  // Dates and numbers.
  '9999-99-99T99:99:99Z',
  '+275760-09-13T00:00:00.001Z',
  '1'.repeat(400),
  // Text that only looks like a key, a certificate or a token.
  '-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----',
  '-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----',
  '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----',
  'eyJhbGciOiJub25lIn0.e30.',
  'QVdTOg=='.repeat(8),
  'arn:aws:iam::123456789012:role/',
  'a'.repeat(300),
];

export const hostileNumbers = [0, -1, 0.5, 1e21, 1e308, 2 ** 31, 2 ** 53 - 1, -(2 ** 53 - 1), 9_999_999_999];

/** A few texts that no enum, id or pattern accepts. */
export const malformedTexts = ['', '\ud800', 'a\u0000b', '%zz', '__proto__', `int_${'z'.repeat(26)}`, 'a'.repeat(300)];
