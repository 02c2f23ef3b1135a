import { expect, test } from 'vitest';
import { addSentence } from '../../../domain/ops/sentences.ts';

test.each([
  ['The registry does not accept it', 'The registry does not accept it. It stays.'],
  ['The registry does not accept it.', 'The registry does not accept it. It stays.'],
  ['', 'It stays.'],
])('a sentence follows %j', (message, expected) => {
  expect(addSentence(message, 'It stays.')).toBe(expected);
});
