/**
 * Branch and tag globs. People write both patterns and names, and a regular expression built from a pattern with a few
 * stars can run for minutes. This matcher always takes time proportional to pattern × text.
 *
 * `*` any characters but `/` · `**` any characters · `?` one character but `/` · `[abc]`, `[a-z]`, `[!a]` classes, none
 * of which contains `/` · `\` outside a class takes the next character literally.
 */
type Part = { kind: 'literal'; character: number } | { kind: 'one' | 'many'; slash: boolean } | Class;
type Class = { kind: 'class'; negative: boolean; from: Int32Array; to: Int32Array };

const maxLength = 256;
/**
 * The longest name of a branch or tag. GitHub's own limit is lower, but a host that a tenant chose can send any name.
 */
const maxText = 512;
const slash = 47;

export type Glob = (text: string) => boolean;

/** Throws if the pattern is invalid. `checkGlob` explains why. */
export function compileGlob(pattern: string): Glob {
  const parts = parse(pattern);
  return (text) => text.length <= maxText && matches(parts, text);
}

export function matchesGlob(pattern: string, text: string): boolean {
  return compileGlob(pattern)(text);
}

/** Returns a sentence that explains why a pattern is invalid, or undefined if it is valid. */
export function checkGlob(pattern: string): string | undefined {
  try {
    parse(pattern.startsWith('!') ? pattern.slice(1) : pattern);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/**
 * A list of globs, as in a workflow file's `branches`. A glob that begins with `!` excludes what earlier globs matched;
 * the last match decides. An empty list matches nothing.
 */
export function matchesGlobs(patterns: readonly string[], text: string): boolean {
  let matched = false;
  for (const pattern of patterns) {
    const negative = pattern.startsWith('!');
    if (matched === negative && matchesGlob(negative ? pattern.slice(1) : pattern, text)) matched = !negative;
  }
  return matched;
}

/**
 * Simulates all states of the pattern at once, 32 of them in one step (Shift-And). This matters because it runs inside
 * a transaction, for every pattern of every pipeline.
 */
function matches(parts: Part[], text: string): boolean {
  const words = (parts.length >> 5) + 1;
  const many = bitsWhere(parts, words, ({ kind }) => kind === 'many');
  const accepting = acceptors(parts, words);
  const states = new Int32Array(words);
  states[0] = at(many, 0) & 1 ? 3 : 1;

  for (const letter of text) {
    const accepted = accepting(codeOf(letter));
    let [some, step, pass] = [0, 0, 0];
    for (let word = 0; word < words; word += 1) {
      const fitting = at(states, word) & at(accepted, word);
      const leaving = fitting & ~at(many, word);
      const reached = (fitting & at(many, word)) | (leaving << 1) | step;
      // A part that matches the empty text can be skipped. Two such parts never follow each other.
      const passing = reached & at(many, word);
      states[word] = reached | (passing << 1) | pass;
      step = leaving >>> 31;
      pass = passing >>> 31;
      some |= at(states, word);
    }
    if (some === 0) return false;
  }
  return ((at(states, words - 1) >>> (parts.length & 31)) & 1) === 1;
}

/** Which parts accept a character. Computed once per character, without asking every part. */
function acceptors(parts: Part[], words: number): (character: number) => Int32Array {
  const found = new Map<number, Int32Array>();
  const open = bitsWhere(parts, words, ({ kind }) => kind === 'one' || kind === 'many');
  const openToSlash = bitsWhere(parts, words, (part) => part.kind === 'many' && part.slash);
  const literals = new Map<number, number[]>();
  const classes: [index: number, part: Class][] = [];
  for (const [index, part] of parts.entries()) {
    if (part.kind === 'class') classes.push([index, part]);
    if (part.kind === 'literal') append(literals, part.character, index);
  }
  return (character) => {
    const known = found.get(character);
    if (known) return known;
    const bits = (character === slash ? openToSlash : open).slice();
    for (const index of literals.get(character) ?? []) set(bits, index);
    if (character !== slash) for (const [index, part] of classes) if (isIn(part, character)) set(bits, index);
    found.set(character, bits);
    return bits;
  };
}

function append(lists: Map<number, number[]>, key: number, value: number): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}

function isIn({ negative, from, to }: Class, character: number): boolean {
  for (let range = 0; range < from.length; range += 1) {
    if (at(from, range) <= character && character <= at(to, range)) return !negative;
  }
  return negative;
}

function bitsWhere(parts: Part[], words: number, holds: (part: Part) => boolean): Int32Array {
  const bits = new Int32Array(words);
  for (const [index, part] of parts.entries()) if (holds(part)) set(bits, index);
  return bits;
}

function set(bits: Int32Array, index: number): void {
  bits[index >> 5] = at(bits, index >> 5) | (1 << (index & 31));
}

function at(bits: Int32Array, word: number): number {
  return bits[word] as number;
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
      parts.push({ kind: 'many', slash: double });
    } else if (character === '?') {
      parts.push({ kind: 'one', slash: false });
    } else if (character === '[') {
      const end = characters.indexOf(']', at + 2);
      if (end < 0) throw new Error('A "[" has no "]" after it');
      parts.push(parseClass(characters.slice(at + 1, end)));
      at = end;
    } else {
      const literal = character === '\\' ? characters[++at] : character;
      if (literal === undefined) throw new Error('A pattern must not end with a single "\\"');
      parts.push({ kind: 'literal', character: codeOf(literal) });
    }
  }
  return parts;
}

function parseClass(inside: string[]): Class {
  const negative = inside[0] === '!';
  const members = negative ? inside.slice(1) : inside;
  if (members.length === 0) throw new Error('A "[…]" must hold a character');
  const ranges: [number, number][] = [];
  for (let at = 0; at < members.length; at += 1) {
    const from = codeOf(members[at]);
    const isRange = members[at + 1] === '-' && members[at + 2] !== undefined;
    const to = isRange ? codeOf(members[at + 2]) : from;
    if (to < from) throw new Error(`The range "${members[at]}-${members[at + 2]}" runs backwards`);
    ranges.push([from, to]);
    if (isRange) at += 2;
  }
  const merged: [number, number][] = [];
  for (const [from, to] of ranges.sort(([one], [other]) => one - other)) {
    const last = merged.at(-1);
    if (last && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else merged.push([from, to]);
  }
  const bounds = (side: 0 | 1) => Int32Array.from(merged, (range) => range[side]);
  return { kind: 'class', negative, from: bounds(0), to: bounds(1) };
}

function codeOf(character = ''): number {
  return character.codePointAt(0) ?? 0;
}
