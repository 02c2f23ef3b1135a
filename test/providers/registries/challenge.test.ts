import { expect, test } from 'vitest';
import { parseChallenges } from '../../../providers/registries/way-in.ts';
import { fc } from '../../support/properties.ts';

const read = (header: string) =>
  parseChallenges(header).map(({ scheme, params }) => [scheme, Object.fromEntries(params)]);

test.each([
  [
    'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"',
    [
      [
        'bearer',
        { realm: 'https://auth.docker.io/token', service: 'registry.docker.io', scope: 'repository:a/b:pull,push' },
      ],
    ],
  ],
  ['Basic realm="h3"', [['basic', { realm: 'h3' }]]],
  ['basic REALM=h3', [['basic', { realm: 'h3' }]]],
  ['BEARER Realm = "https://a/token" , Service = "x"', [['bearer', { realm: 'https://a/token', service: 'x' }]]],
  [
    'Bearer realm="https://a/t",service="a, Basic realm=b", Basic realm="c"',
    [
      ['bearer', { realm: 'https://a/t', service: 'a, Basic realm=b' }],
      ['basic', { realm: 'c' }],
    ],
  ],
  [
    'Negotiate, Basic realm="x"',
    [
      ['negotiate', {}],
      ['basic', { realm: 'x' }],
    ],
  ],
  [
    'Negotiate YII+/abc==, Bearer realm="https://a/t"',
    [
      ['negotiate', {}],
      ['bearer', { realm: 'https://a/t' }],
    ],
  ],
  ['Bearer realm="a\\"b\\\\c"', [['bearer', { realm: 'a"b\\c' }]]],
  [',, Bearer realm="https://a/t",,', [['bearer', { realm: 'https://a/t' }]]],
  ['Bearer realm=""', [['bearer', { realm: '' }]]],
  ['Bearer realm="https://a/t", realm="https://evil/t"', []],
  ['Basic realm="x", Bearer realm="https://a/t", realm="https://evil/t"', [['basic', { realm: 'x' }]]],
  ['Bearer realm="https://a/t', [['bearer', {}]]],
  ['realm="https://a/t"', []],
  ['', []],
])('%s', (header, expected) => {
  expect(read(header)).toEqual(expected);
});

const value = fc.string({ maxLength: 20 }).map((text) => text.replaceAll(/[\r\n]/g, ''));
const quote = (text: string) => `"${text.replaceAll(/["\\]/g, '\\$&')}"`;

test('returns every quoted value unchanged', () => {
  fc.assert(
    fc.property(value, value, (realm, service) => {
      const header = `Bearer realm=${quote(realm)}, service=${quote(service)},Basic realm="x"`;
      expect(read(header)).toEqual([
        ['bearer', { realm, service }],
        ['basic', { realm: 'x' }],
      ]);
    }),
  );
});

test('no header makes it fail or hang', () => {
  fc.assert(fc.property(fc.string({ maxLength: 200 }), (header) => Array.isArray(parseChallenges(header))));
  const started = Date.now();
  for (const piece of ['a', '"', '\\"', 'a=', ' ', ',', 'a="', '='])
    parseChallenges(`Bearer realm="${piece.repeat(20_000)}`);
  for (const piece of ['a', 'a ', 'a=b ', ' ', '\t=']) parseChallenges(piece.repeat(8_000));
  expect(Date.now() - started).toBeLessThan(3_000);
});
