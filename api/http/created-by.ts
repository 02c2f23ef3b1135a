import { z } from 'zod';

/** Who created something: a person, an API token, or a part of the product. */
export const CreatedBy = z
  .string()
  .describe('The id of a person (`user_…`) or of an API token (`tok_…`), or a name such as `operator`');

/** Returns the id alone. Stored callers have the kind in front: `user:user_…`. */
export function creatorOf(caller: string): string {
  return caller.replace(/^(?:user|token):/, '');
}
