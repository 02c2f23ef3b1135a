/** One of the ways in that a `WWW-Authenticate` header offers; scheme and names in lower case, values as they stand. */
export type Challenge = { scheme: string; params: ReadonlyMap<string, string> };

const separators = /[\s,]*/y;
const word = /[!#$%&'*+.^_`|~\w-]+/y;
const equals = /\s*=\s*/y;
const quoted = /"((?:[^"\\]|\\.)*)"/y;
/** What Negotiate and its like send instead of parameters. Only where nothing else follows before the next comma. */
const token68 = /[ \t]+[\w.~+/-]+=*(?=\s*(?:,|$))/y;

/**
 * Reads a header as RFC 9110 writes it: several challenges in one, commas inside of quotes, any case. What cannot be
 * read ends the reading; the challenges before it are kept.
 */
export function parseChallenges(header: string): Challenge[] {
  const found: { scheme: string; params: Map<string, string> }[] = [];
  let at = 0;
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const match = pattern.exec(header);
    if (!match) return undefined;
    at = pattern.lastIndex;
    return match[1] ?? match[0];
  };

  for (;;) {
    take(separators);
    const name = take(word)?.toLowerCase();
    if (name === undefined) return found;
    const current = found.at(-1);
    if (take(equals) === undefined) {
      found.push({ scheme: name, params: new Map() });
      take(token68);
      continue;
    }
    const value = take(quoted)?.replaceAll(/\\(.)/g, '$1') ?? take(word);
    if (value === undefined || !current) return found;
    // Of two parameters with one name, no other reader is to see another one than this does.
    if (current.params.has(name)) return found.slice(0, -1);
    current.params.set(name, value);
  }
}
