import { afterAll, expect } from 'vitest';
import { makeKeyPairsWith } from '../../stand-ins/github/credentials.ts';
import { expectAllClosed } from './fakes/open-stand-ins.ts';
import { rsaKeyPair } from './rsa-keys.ts';

// Runs before each test file, even in a worker that keeps its modules.
makeKeyPairsWith(rsaKeyPair);
afterAll(expectAllClosed);

/** What a test file can change for the files after it in the same worker. */
const processState = () => ({
  environment: { ...process.env },
  folder: process.cwd(),
  fetch: globalThis.fetch,
  now: Date.now,
  random: Math.random,
  log: console.log,
});
const before = processState();
afterAll(() => expect(processState(), 'what the test file left changed in its process').toEqual(before));
