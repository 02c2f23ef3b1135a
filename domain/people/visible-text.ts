/**
 * Characters that a name must not have. Control characters and line separators break a line of a log or a page.
 * Bidirectional overrides and isolates show other text than the name has. The marks for right-to-left scripts are
 * allowed. Lone surrogates are not valid text.
 */
const hidden = /[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;

/**
 * The same rule for JSON Schema, without surrogates. No JSON in UTF-8 contains one, and some parsers of patterns do not
 * know them.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these characters are the rule
export const visibleText = /^[^\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]*$/;

/** Returns the first hidden character as its code point, such as `U+202E`. */
export function hiddenCharacter(text: string): string | undefined {
  const found = hidden.exec(text)?.[0];
  return found && `U+${(found.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
}
