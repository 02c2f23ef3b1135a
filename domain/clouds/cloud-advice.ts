import { compareSetup, verifyAgain } from '../ops/failure-facts.ts';
import { failureFacts } from '../ops/provider-failures.ts';

/** Returns the one thing to do about a cloud account whose check ended with this code. */
export function cloudAdvice(code: string): string {
  if (code === 'internal') return verifyAgain;
  return failureFacts(code)?.advice ?? compareSetup;
}
