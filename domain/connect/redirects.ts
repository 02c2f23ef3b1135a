/**
 * Where a browser may be sent in the end: an address below one of the allowed origins, written so that every browser
 * reads it the same way. Answers the address as it will be sent, or nothing.
 */
export function allowedRedirect(text: string, origins: readonly string[]): string | undefined {
  // Browsers drop tabs and line breaks, and read a backslash as a slash: such an address says two things.
  if (/[\s\\]/.test(text) || hasControlCharacter(text) || !/^https?:\/\/[^/]/i.test(text) || !URL.canParse(text)) {
    return undefined;
  }
  const url = new URL(text);
  if (url.username || url.password || !origins.includes(url.origin)) return undefined;
  return url.href;
}

function hasControlCharacter(text: string): boolean {
  return [...text].some((character) => character < ' ' || character === '\u007f');
}
