import { expect, test } from 'vitest';
import { githubShape } from '../../../domain/deliveries/github-shape.ts';
import { partsOf, pickJson, type Shape } from '../../../domain/deliveries/pick-json.ts';
import { fc } from '../../support/properties.ts';

/** Reads the document to its end, and counts the pauses. */
function pick(text: string | Buffer, shape: Shape = githubShape): { parts: unknown; pauses: number } {
  const steps = pickJson(Buffer.from(text), shape);
  for (let pauses = 0; ; pauses += 1) {
    const { done, value } = steps.next();
    if (done) return { parts: value, pauses };
  }
}

const parsed = (text: string) => partsOf(JSON.parse(Buffer.from(text).toString()), githubShape);

function outcomeOf(read: () => unknown): unknown {
  try {
    return { parts: read() };
  } catch {
    return 'malformed';
  }
}

const names = ['ref', 'after', 'id', 'installation', 'permissions', 'repositories', 'head_commit', 'message', 'other'];
const name = fc.oneof(fc.constantFrom(...names), fc.string());
const { document } = fc.letrec((tie) => ({
  document: fc.oneof(
    { maxDepth: 6 },
    fc.oneof(fc.string({ unit: 'binary' }), fc.integer(), fc.double({ noNaN: true }), fc.boolean(), fc.constant(null)),
    fc.array(tie('document'), { maxLength: 5 }),
    fc.dictionary(name, tie('document'), { maxKeys: 8, noNullPrototype: true }),
  ),
}));
const event = fc.dictionary(fc.constantFrom(...names), document, { noNullPrototype: true });

test('reads the same parts as a parser of the whole document', () => {
  fc.assert(
    fc.property(fc.oneof(event, document), fc.constantFrom(undefined, 2, '\t'), (value, indent) => {
      const text = JSON.stringify(value, null, indent);
      expect(pick(text).parts).toEqual(parsed(text));
    }),
  );
});

test('rejects the same documents as a parser of the whole document', () => {
  const change = fc.record({ at: fc.nat(), remove: fc.nat(3), insert: fc.constantFrom(...'{}[],:"\\u0 1-e.tn\0') });
  fc.assert(
    fc.property(fc.oneof(event, document), change, (value, { at, remove, insert }) => {
      const text = JSON.stringify(value);
      const place = at % (text.length + 1);
      const changed = text.slice(0, place) + insert + text.slice(place + remove);
      expect(outcomeOf(() => pick(changed).parts)).toEqual(outcomeOf(() => parsed(changed)));
    }),
    { numRuns: 500 },
  );
});

test.each([
  ['uses the last of several members with the same name', '{"ref":"a","ref":"b","re\\u0066":"c"}', { ref: 'c' }],
  ['drops a member whose last value has another type', '{"ref":"a","ref":{}}', { ref: undefined }],
  ['ignores a member named __proto__', '{"__proto__":{"ref":"a"}}', {}],
  [
    'reads permissions with any name',
    '{"installation":{"permissions":{"a":"read","b":1}}}',
    { installation: { permissions: { a: 'read' } } },
  ],
])('%s', (_, text, parts) => {
  expect(pick(text).parts).toEqual(parts);
  expect(parsed(text)).toEqual(parts);
});

test.each([
  '',
  ' ',
  '{',
  '[1[2]]',
  '{"a" 1}',
  '{"a":1}}',
  '{"a":01}',
  '{"a":"\\x"}',
  '\ufeff{}',
  '[1,]',
  '{,}',
  '{"a":"\\u12"}',
])('rejects %j', (text) => {
  expect(outcomeOf(() => pick(text))).toBe('malformed');
});

const megabytes = (part: string, count = 4) => part.repeat((count * 1_000_000) / part.length);

test.each([
  ['millions of small lists', `{"a":[${megabytes('[],')}[]],"ref":"x"}`],
  ['one long text', `{"a":"${megabytes('x')}","ref":"x"}`],
  ['a text of escapes', `{"a":"${megabytes('\\u0000')}","ref":"x"}`],
  ['big numbers', `{"a":[${megabytes('1e308,')}0],"ref":"x"}`],
  ['one name again and again', `{${megabytes('"ref":"y",')}"ref":"x"}`],
  ['one long name', `{"${megabytes('k')}":1,"ref":"x"}`],
  ['many names', `{${megabytes('"some name":1,')}"ref":"x"}`],
  ['space', `{${megabytes(' ')}"ref":"x"}`],
  ['many repositories', `{"repositories":[${megabytes('{"id":7},')}{}],"ref":"x"}`],
])('pauses often and keeps little of %s', (_, text) => {
  const { parts, pauses } = pick(text);
  expect(parts).toMatchObject({ ref: 'x' });
  expect(pauses).toBeGreaterThanOrEqual(15);
  expect(JSON.stringify(parts).length).toBeLessThan(20_000);
});

test('rejects deep nesting without a stack overflow', () => {
  for (const [open, close] of [
    ['[', ']'],
    ['{"a":', '}'],
  ] as const) {
    const nested = (levels: number) => `{"x":${open.repeat(levels)}1${close.repeat(levels)}}`;
    expect(pick(nested(500)).parts).toEqual({});
    expect(() => pick(nested(1_000_000))).toThrow('nested too deeply');
  }
});
