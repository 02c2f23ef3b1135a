import { expect, test } from 'vitest';
import { readOptions, UsageError } from '../../scripts/test-fuzz/options.mjs';

const usual = { minutes: 1, seed: undefined, runs: 1000, files: [], help: false };

test.each([
  [[], usual],
  [['--minutes', '5'], { ...usual, minutes: 5 }],
  [
    ['--minutes=0.5', 'test/domain/builds/glob.test.ts'],
    { ...usual, minutes: 0.5, files: ['test/domain/builds/glob.test.ts'] },
  ],
  [['--seed', '-2147483648', '--runs=20'], { ...usual, seed: -2147483648, runs: 20 }],
  [['-h'], { ...usual, help: true }],
])('reads %j', (args, expected) => {
  expect(readOptions(args)).toEqual(expected);
});

test.each([
  [['--minutes', 'soon'], '--minutes must be a number above 0 and at most 1440, not "soon"'],
  [['--minutes', '0'], '--minutes must be'],
  [['--minutes', '-1'], '--minutes must be'],
  [['--minutes'], '--minutes needs a value'],
  [['--seed', '1.5'], '--seed must be a whole number'],
  [['--seed', '2147483648'], '--seed must be a whole number'],
  [['--runs', '0'], '--runs must be a whole number'],
  [['--second', '5'], 'Unknown option --second'],
])('rejects %j with the reason', (args, message) => {
  expect(() => readOptions(args)).toThrow(UsageError);
  expect(() => readOptions(args)).toThrow(message);
});
