/**
 * Checks the final address for a browser: it must be below an allowed origin. Returns the address in a form that every
 * browser reads the same way, or undefined.
 */
export function allowedRedirect(text: string, origins: readonly string[]): string | undefined {
  // Browsers drop tabs and line breaks and read a backslash as a slash, so such an address is ambiguous.
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
