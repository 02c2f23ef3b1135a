/**
 * Characters that a name must not have. Control characters and line separators break a line of a log or a page.
 * Bidirectional overrides and isolates show other text than the name has. Characters without a width make two different
 * names look equal. The joiners and the marks for right-to-left scripts are allowed, because scripts and emoji need
 * them. Lone surrogates are not valid text.
 */
const hidden = /[\p{Cc}\p{Cs}\u00ad\u115f\u1160\u17b4\u17b5\u180e\u200b\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0]/u;

/**
 * The same rule for JSON Schema, without surrogates. No JSON in UTF-8 contains one, and some parsers of patterns do not
 * know them.
 */
export const visibleText =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these characters are the rule
  /^[^\u0000-\u001f\u007f-\u009f\u00ad\u115f\u1160\u17b4\u17b5\u180e\u200b\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0]*$/;

/** Returns the first hidden character as its code point, such as `U+202E`. */
export function hiddenCharacter(text: string): string | undefined {
  const found = hidden.exec(text)?.[0];
  return found && `U+${(found.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
}
