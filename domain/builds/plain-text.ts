/** A character that GitHub rejects in a commit status and in a deployment: one that takes four bytes in UTF-8. */
const fourBytes = /[\u{10000}-\u{10FFFF}]/gu;

/** Returns the text with a replacement character for each character that GitHub rejects. */
export function readableText(text: string): string {
  return text.toWellFormed().replace(fourBytes, '\uFFFD');
}

/**
 * Returns the name with the code of each character that GitHub rejects, for example `U+1F680`. Names that differ only
 * in such characters stay different.
 */
export function distinctName(name: string): string {
  return name
    .toWellFormed()
    .replace(fourBytes, (character) => `U+${character.codePointAt(0)?.toString(16).toUpperCase()}`);
}
