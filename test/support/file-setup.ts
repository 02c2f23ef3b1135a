import { makeKeyPairsWith } from '../../stand-ins/github/credentials.ts';
import { rsaKeyPair } from './rsa-keys.ts';

// Runs before each test file.
makeKeyPairsWith(rsaKeyPair);
