/**
 * Branch and tag globs, matched in time proportional to pattern × text whatever they are: both come from people, and
 * a regular expression built from a pattern with a few stars can run for minutes.
 *
 * `*` any characters but `/` · `**` any characters · `?` one character but `/` · `[abc]`, `[a-z]`, `[!a]` classes,
 * none of which holds `/` · `\` outside a class takes the next character literally.
 */
type Part =
  | { kind: 'one'; accepts(character: string): boolean }
  | { kind: 'many'; accepts(character: string): boolean };

const maxLength = 256;
const notSlash = (character: string) => character !== '/';
const anything = () => true;

export type Glob = (text: string) => boolean;

/** Throws where the pattern is not valid; `checkGlob` says beforehand why. */
export function compileGlob(pattern: string): Glob {
  const parts = parse(pattern);
  return (text) => matches(parts, [...text]);
}

export function matchesGlob(pattern: string, text: string): boolean {
  return compileGlob(pattern)(text);
}

/** Why a pattern cannot be used, in a sentence; nothing where it can. */
export function checkGlob(pattern: string): string | undefined {
  try {
    parse(pattern.startsWith('!') ? pattern.slice(1) : pattern);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/**
 * A list of globs, as in a workflow file's `branches`: one that begins with `!` takes away what those before it
 * matched, and the last one that matches decides. An empty list matches nothing.
 */
export function matchesGlobs(patterns: readonly string[], text: string): boolean {
  let matched = false;
  for (const pattern of patterns) {
    const negative = pattern.startsWith('!');
    if (matched === negative && matchesGlob(negative ? pattern.slice(1) : pattern, text)) matched = !negative;
  }
  return matched;
}

/** Walks all states of the pattern at once, one character after the other. */
function matches(parts: Part[], text: string[]): boolean {
  let states = closure(parts, new Set([0]));
  for (const character of text) {
    const next = new Set<number>();
    for (const state of states) {
      const part = parts[state];
      if (!part?.accepts(character)) continue;
      next.add(part.kind === 'many' ? state : state + 1);
    }
    if (next.size === 0) return false;
    states = closure(parts, next);
  }
  return states.has(parts.length);
}

/** A part that may stand for nothing can also be passed over. */
function closure(parts: Part[], states: Set<number>): Set<number> {
  for (const state of states) if (parts[state]?.kind === 'many') states.add(state + 1);
  return states;
}

function parse(pattern: string): Part[] {
  if (pattern === '') throw new Error('A pattern must not be empty');
  if (pattern.length > maxLength) throw new Error(`A pattern has at most ${maxLength} characters`);
  const characters = [...pattern];
  const parts: Part[] = [];
  for (let at = 0; at < characters.length; at += 1) {
    const character = characters[at] as string;
    if (character === '*') {
      const double = characters[at + 1] === '*';
      while (double && characters[at + 1] === '*') at += 1;
      parts.push({ kind: 'many', accepts: double ? anything : notSlash });
    } else if (character === '?') {
      parts.push({ kind: 'one', accepts: notSlash });
    } else if (character === '[') {
      const end = characters.indexOf(']', at + 2);
      if (end < 0) throw new Error('A "[" has no "]" after it');
      parts.push({ kind: 'one', accepts: parseClass(characters.slice(at + 1, end)) });
      at = end;
    } else {
      const literal = character === '\\' ? characters[++at] : character;
      if (literal === undefined) throw new Error('A pattern must not end with a single "\\"');
      parts.push({ kind: 'one', accepts: (other) => other === literal });
    }
  }
  return parts;
}

function parseClass(inside: string[]): (character: string) => boolean {
  const negative = inside[0] === '!';
  const members = negative ? inside.slice(1) : inside;
  if (members.length === 0) throw new Error('A "[…]" must hold a character');
  const ranges: [string, string][] = [];
  for (let at = 0; at < members.length; at += 1) {
    const from = members[at] as string;
    const to = members[at + 1] === '-' ? members[at + 2] : undefined;
    if (to !== undefined && to < from) throw new Error(`The range "${from}-${to}" runs backwards`);
    ranges.push([from, to ?? from]);
    if (to !== undefined) at += 2;
  }
  return (character) =>
    character !== '/' && ranges.some(([from, to]) => from <= character && character <= to) !== negative;
}
