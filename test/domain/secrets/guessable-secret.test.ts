import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { guessable, guessableKey } from '../../../domain/secrets/guessable-secret.ts';
import { fc } from '../../support/properties.ts';

const reasonFor = (secret: string) => guessable(secret, { least: 16 });

test.each([
  ['short', 'fewer than 16 characters'],
  ['a'.repeat(40), 'different characters'],
  ['abcde'.repeat(8), 'different characters'],
  ['hunter2!'.repeat(3), 'repeats a short text'],
  ['hunter2!hunter2!hun', 'repeats a short text'],
  ['0123456789abcdefghij', 'sequence'],
  ['zyxwvutsrqponmlkjihgf', 'sequence'],
  ['change-me-please-42', 'placeholder'],
  ['My-Webhook-PASSWORD-1', 'placeholder'],
  ['<your webhook secret>', 'placeholder'],
  ['your_webhook_secret_here', 'placeholder'],
  ['wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', 'placeholder'],
])('refuses %s', (secret, why) => expect(reasonFor(secret)).toContain(why));

test('accepts what generators make', () => {
  const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(() => randomBytes(32));
  fc.assert(
    fc.property(bytes, (random) => {
      for (const encoding of ['hex', 'base64', 'base64url'] as const) {
        expect(reasonFor(random.toString(encoding))).toBeUndefined();
      }
      // GitHub's own secrets have 40 characters.
      expect(reasonFor(random.subarray(0, 20).toString('hex'))).toBeUndefined();
      expect(guessableKey(random)).toBeUndefined();
    }),
  );
});

test.each(['correct horse battery staple', 'Tr0ub4dor&3-and-more-words', 'ключ-вебхука-из-слов'])(
  'accepts the chosen secret %s',
  (secret) => expect(reasonFor(secret)).toBeUndefined(),
);

test('refuses a key of one byte, of a pattern or of a sequence', () => {
  expect(guessableKey(new Uint8Array(32))).toContain('different characters');
  expect(guessableKey(new Uint8Array(32).fill(7))).toContain('different characters');
  expect(guessableKey(new Uint8Array(32).map((_, index) => index))).toContain('sequence');
  expect(guessableKey(new Uint8Array(32).map((_, index) => (index * 37) % 13))).toContain('repeats');
});
