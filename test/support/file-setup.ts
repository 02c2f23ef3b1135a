import { afterAll } from 'vitest';
import { makeKeyPairsWith } from '../../stand-ins/github/credentials.ts';
import { expectAllClosed } from './open-stand-ins.ts';
import { rsaKeyPair } from './rsa-keys.ts';

// Runs before each test file, even in a worker that keeps its modules.
makeKeyPairsWith(rsaKeyPair);
afterAll(expectAllClosed);
