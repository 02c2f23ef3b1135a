import { z } from 'zod';
import type { PageRequest } from '../../db/store/page.ts';
import { type IdPrefix, idPattern } from '../../domain/ids.ts';
import { hiddenCharacter, visibleText } from '../../domain/people/visible-text.ts';
import { guessable } from '../../domain/secrets/guessable-secret.ts';
import { keyFingerprint } from '../../domain/secrets/key-fingerprint.ts';
import { hasOuterWhitespace, tidyPrivateKey, withoutOuterLineBreaks } from '../../domain/secrets/pasted-secret.ts';
import { Problem, type ProblemCode } from './problems.ts';

/** An id for the examples of the OpenAPI document. */
export const exampleId = (prefix: IdPrefix) => `${prefix}_01k4z9v7c1q8x0m3t5n2b6d4fa`;

export const id = (prefix: IdPrefix) =>
  z
    .string()
    .regex(idPattern(prefix), `must be an id that begins with ${prefix}_`)
    .meta({ examples: [exampleId(prefix)] });
/** Text on one line that people see. No character in it hides or reorders others. */
export const lineOfText = z.string().regex(visibleText, {
  error: ({ input }) => `must not contain ${hiddenCharacter(String(input)) ?? 'this character'}`,
  abort: true,
});
export const name = lineOfText
  .trim()
  .min(1)
  .max(100)
  .meta({ examples: ['shop'] });
/** A secret as a person pastes it. Line breaks around it are removed. */
export const secretText = (least: number, most: number) =>
  z
    .string()
    .overwrite(withoutOuterLineBreaks)
    .min(least)
    .max(most)
    .refine((text) => !hasOuterWhitespace(text), 'must not begin or end with whitespace: copy the secret again');
/** The private key of a GitHub App. */
export const privateKey = z.string().overwrite(tidyPrivateKey).min(100).max(20_000);
/** Rejects a text that is not a private key before Fairlead calls GitHub. */
export function requirePrivateKey(text: string): void {
  if (keyFingerprint(text) !== undefined) return;
  const message = 'must be an RSA private key in PEM, from `-----BEGIN` to `-----END`';
  throw new Problem('invalid_request', undefined, { errors: [{ path: 'body.private_key', message }] });
}
/** A webhook secret that a tenant chooses. GitHub asks for a random one, which needs at least 16 characters. */
export const webhookSecret = secretText(0, 500)
  .superRefine((text, context) => {
    const why = guessable(text, { least: 16 });
    if (why)
      context.addIssue({
        code: 'custom',
        message: `is easy to guess: it ${why}`,
        params: { problem: 'secret_guessable' },
      });
  })
  .meta({ minLength: 16 });

/** Seconds since 1970, like all times in the API. */
export const epochSeconds = z.int().meta({ examples: [1_790_000_000] });

export const PageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(200).default(50).describe('Maximum number of items on a page'),
  cursor: z.string().max(200).optional().describe('Position from the `Link` header of the previous page'),
});

/** For a route without a query. A misspelled parameter is an error there as well. */
export const noQuery = z.strictObject({});

/** Refuses a NUL, because Postgres cannot compare text that contains one. */
export function refuseNul(query: Record<string, string | string[] | undefined>): void {
  for (const [field, value] of Object.entries(query)) {
    if (!String(value).includes('\0')) continue;
    throw new Problem('invalid_request', 'Remove the NUL character from the query.', {
      errors: [{ path: `query.${field}`, message: 'contains a NUL character' }],
    });
  }
}

export function pageRequest({ limit, cursor }: z.output<typeof PageQuery>): PageRequest {
  if (cursor === undefined) return { limit };
  const after = Buffer.from(cursor, 'base64url').toString('utf8');
  if (!/^[a-z]+_[0-9a-z]{26}$/.test(after)) {
    throw new Problem('invalid_request', 'Use the cursor from the `Link` header of the previous page.', {
      errors: [{ path: 'query.cursor', message: 'is not a cursor of this API' }],
    });
  }
  return { limit, after };
}

export function cursorAfter(lastId: string): string {
  return Buffer.from(lastId).toString('base64url');
}

export function toSeconds(ms: number): number;
export function toSeconds(ms: number | null): number | null;
export function toSeconds(ms: number | null): number | null {
  return ms === null ? null : Math.floor(ms / 1000);
}

/** Throws a `Problem` that names each invalid field. It does not repeat the values. */
export function check<Schema extends z.ZodType>(where: string, schema: Schema, value: unknown): z.output<Schema> {
  const parsed = schema.safeParse(value, { error: (issue) => (isMissing(issue) ? 'is missing' : undefined) });
  if (parsed.success) return parsed.data;
  const { issues } = parsed.error;
  const errors = issues.map(({ path, message }) => ({ path: [where, ...path].join('.'), message }));
  throw new Problem(
    codeOf(issues),
    errors
      .map(({ path, message }) => `${path}: ${message}`)
      .join('; ')
      .slice(0, 500),
    {
      errors,
    },
  );
}

function isMissing({ code, input }: z.core.$ZodRawIssue): boolean {
  return code === 'invalid_type' && input === undefined;
}

/** Returns the problem code that all issues share, if they have one. */
function codeOf(issues: z.core.$ZodIssue[]): ProblemCode {
  const [code = 'invalid_request', ...others] = new Set(issues.map(codeOfIssue));
  return others.length === 0 ? code : 'invalid_request';
}

function codeOfIssue(issue: z.core.$ZodIssue): ProblemCode {
  const named = issue.code === 'custom' ? (issue.params?.['problem'] as ProblemCode | undefined) : undefined;
  if (named) return named;
  const isHidden = issue.code === 'invalid_format' && 'pattern' in issue && issue.pattern === String(visibleText);
  return isHidden ? 'characters_not_allowed' : 'invalid_request';
}

/** When credentials expire that a person gives. No provider reports it. */
export const expiresAt = z
  .int()
  .max(9_999_999_999)
  .refine((seconds) => seconds * 1000 > Date.now(), 'must be in the future')
  .describe('When the credentials expire, in seconds since 1970, if you know it');

/** Who created something: a person, an API token, or a part of the product. */
export const CreatedBy = z
  .string()
  .describe('The id of a person (`user_…`) or of an API token (`tok_…`), or a name such as `operator`');

/** Returns the id alone. Stored callers have the kind in front: `user:user_…`. */
export function creatorOf(caller: string): string {
  return caller.replace(/^(?:user|token):/, '');
}
