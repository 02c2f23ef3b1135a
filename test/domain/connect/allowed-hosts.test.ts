import { expect, test } from 'vitest';
import { parseAllowedHosts } from '../../../domain/connect/allowed-hosts.ts';

test('parses hosts and origins from a list with any spacing', () => {
  expect(parseAllowedHosts('git.internal, http://127.0.0.1:4010\nhttps://Registry.Internal:5000/ [::1]')).toEqual([
    { host: 'git.internal' },
    { origin: 'http://127.0.0.1:4010' },
    { origin: 'https://registry.internal:5000' },
    { host: '[::1]' },
  ]);
  expect(parseAllowedHosts('')).toEqual([]);
});

test('names every invalid entry in one error', () => {
  const text =
    'git.internal:8443 *.internal http://u:p@x.internal https://x.internal/path ftp://x.internal git.internal:443';

  expect(() => parseAllowedHosts(text)).toThrow(
    /git\.internal:8443.*\*\.internal.*u:p@x.*x\.internal\/path.*ftp:.*git\.internal:443/,
  );
});
