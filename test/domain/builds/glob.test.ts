import { expect, test } from 'vitest';
import { checkGlob, matchesGlob, matchesGlobs } from '../../../domain/builds/glob.ts';
import { atLeast, fc } from '../../support/properties.ts';

/** Plain and exponential: what the matcher must agree with on everything short. */
function reference(pattern: string, text: string): boolean {
  const [character] = pattern;
  if (character === undefined) return text === '';
  if (pattern.startsWith('**')) {
    const rest = pattern.replace(/^\*+/, '');
    return Array.from({ length: text.length + 1 }, (_, n) => n).some((n) => reference(rest, text.slice(n)));
  }
  if (character === '*') {
    const slash = text.indexOf('/');
    const most = slash < 0 ? text.length : slash;
    return Array.from({ length: most + 1 }, (_, n) => n).some((n) => reference(pattern.slice(1), text.slice(n)));
  }
  if (text === '') return false;
  if (character === '?') return text[0] !== '/' && reference(pattern.slice(1), text.slice(1));
  if (character === '[') {
    const end = pattern.indexOf(']', 2);
    const negative = pattern[1] === '!';
    const members = pattern.slice(negative ? 2 : 1, end);
    const inside = members.includes('-')
      ? (members[0] as string) <= (text[0] as string) && (text[0] as string) <= (members[2] as string)
      : members.includes(text[0] as string);
    return text[0] !== '/' && inside !== negative && reference(pattern.slice(end + 1), text.slice(1));
  }
  if (character === '\\') return text[0] === pattern[1] && reference(pattern.slice(2), text.slice(1));
  return text[0] === character && reference(pattern.slice(1), text.slice(1));
}

const piece = fc.constantFrom('a', 'b', '/', '*', '**', '?', '[ab]', '[!a]', '[a-c]', '\\*', '-', 'é');
const patterns = fc.array(piece, { minLength: 1, maxLength: 7 }).map((pieces) => pieces.join(''));
const texts = fc.array(fc.constantFrom('a', 'b', 'c', '/', '*', '-', 'é'), { maxLength: 8 }).map((all) => all.join(''));

test('the matcher agrees with a plain reference', () => {
  fc.assert(
    fc.property(patterns, texts, (pattern, text) => {
      expect(matchesGlob(pattern, text)).toBe(reference(pattern, text));
    }),
    atLeast(5_000),
  );
});

test('a pattern without special characters matches only itself', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z/.-]{1,40}$/), fc.stringMatching(/^[a-z/.-]{1,40}$/), (one, other) => {
      expect(matchesGlob(one, one)).toBe(true);
      expect(matchesGlob(one, other)).toBe(one === other);
    }),
  );
});

test.each([
  ['main', 'main', true],
  ['main', 'main2', false],
  ['release/*', 'release/1', true],
  ['release/*', 'release/1/hotfix', false],
  ['release/**', 'release/1/hotfix', true],
  ['**', 'any/thing', true],
  ['v?.[0-9]*', 'v1.20', true],
  ['v?.[0-9]*', 'v1.x', false],
  ['feature/\\*', 'feature/*', true],
  ['feature/\\*', 'feature/x', false],
])('%s on %s: %s', (pattern, text, expected) => {
  expect(matchesGlob(pattern, text)).toBe(expected);
});

test('the last matching pattern of a list decides', () => {
  const list = ['**', '!dependabot/**', 'dependabot/urgent'];
  expect(matchesGlobs(list, 'main')).toBe(true);
  expect(matchesGlobs(list, 'dependabot/npm')).toBe(false);
  expect(matchesGlobs(list, 'dependabot/urgent')).toBe(true);
  expect(matchesGlobs([], 'main')).toBe(false);
  expect(matchesGlobs(['!main'], 'main')).toBe(false);
});

test('rejects an invalid pattern with the reason', () => {
  expect(checkGlob('main')).toBeUndefined();
  expect(checkGlob('')).toMatch(/empty/);
  expect(checkGlob('[abc')).toMatch(/no "\]"/);
  expect(checkGlob('[]')).toMatch(/no "\]"/);
  expect(checkGlob('[z-a]')).toMatch(/backwards/);
  expect(checkGlob('a\\')).toMatch(/single/);
  expect(checkGlob('a'.repeat(300))).toMatch(/256/);
});

test.each([
  `${'*a'.repeat(60)}b`,
  `${'**a'.repeat(60)}b`,
  `${'*?'.repeat(60)}b`,
  `${'*[a-z]'.repeat(40)}b`,
  `${'*'.repeat(255)}b`,
])('matches %s against 250 characters within milliseconds', (pattern) => {
  const text = 'a'.repeat(250);
  // The best of three: the first also compiles, and a busy machine may pause any one of them.
  const times = [1, 2, 3].map(() => {
    const started = performance.now();
    expect(matchesGlob(pattern, text)).toBe(false);
    return performance.now() - started;
  });
  expect(Math.min(...times)).toBeLessThan(50);
});

test('matches a push against 100 pipelines with the worst patterns quickly', () => {
  const worst = (text: string, pattern: string) => {
    const patterns = Array.from({ length: 20 }, () => pattern.slice(0, 128));
    // What it costs this process, since the machine may be busy with others; the best of three, as above.
    const times = [1, 2, 3].map(() => {
      const before = process.cpuUsage();
      for (let pipeline = 0; pipeline < 100; pipeline += 1) expect(matchesGlobs(patterns, text)).toBe(false);
      return process.cpuUsage(before).user / 1_000;
    });
    return Math.min(...times);
  };
  const everyLetter = Array.from({ length: 255 }, (_, index) => String.fromCharCode(200 + index)).join('');
  expect(worst('a'.repeat(255), `${'*?'.repeat(63)}*b`)).toBeLessThan(800);
  expect(worst('a'.repeat(255), `${'**a'.repeat(42)}*b`)).toBeLessThan(800);
  expect(worst(everyLetter, `**[${'acegikmoqsuwyACEGIKMOQSUWY'.repeat(5).slice(0, 120)}]`)).toBeLessThan(800);
});

test('text longer than any branch matches nothing, and takes no time', () => {
  expect(matchesGlob('**', 'a'.repeat(512))).toBe(true);
  expect(matchesGlob('**', 'a'.repeat(513))).toBe(false);
  expect(matchesGlob('**', 'a'.repeat(20_000_000))).toBe(false);
});

test('patterns longer than one machine word work like short ones', () => {
  const letters = fc.stringMatching(/^[ab/]{40,100}$/);
  fc.assert(
    fc.property(letters, fc.nat(30), fc.nat(9), (text, from, length) => {
      const [head, gone, tail] = [text.slice(0, from), text.slice(from, from + length), text.slice(from + length)];
      expect(matchesGlob(`${head}**${tail}`, text)).toBe(true);
      expect(matchesGlob(`${head}*${tail}`, text)).toBe(reference(`${head}*${tail}`, text));
      expect(matchesGlob(`${head}${'?'.repeat(gone.length)}${tail}`, text)).toBe(!gone.includes('/'));
      expect(matchesGlob(`${text}*`, text)).toBe(true);
      expect(matchesGlob(`${text}?`, text)).toBe(false);
    }),
    atLeast(2_000),
  );
});
