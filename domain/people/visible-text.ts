/**
 * Characters that a name must not have: control characters and line separators, which break a line of a log or a page,
 * and the bidirectional overrides and isolates, which show other text than the name has. The marks for right-to-left
 * scripts are allowed. Lone surrogates are no text at all.
 */
const hidden = /[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;

/** The same rule for JSON Schema, without surrogates: no JSON in UTF-8 contains one, and not every parser knows them. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these characters are the rule
export const visibleText = /^[^\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]*$/;

/** Returns the first hidden character as its code point, such as `U+202E`. */
export function hiddenCharacter(text: string): string | undefined {
  const found = hidden.exec(text)?.[0];
  return found && `U+${(found.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
}
