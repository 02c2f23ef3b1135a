import {
  backslash,
  closeList,
  closeObject,
  colon,
  comma,
  JsonCursor,
  MalformedJson,
  openList,
  openObject,
  quote,
} from './json-cursor.ts';

/**
 * The parts of a JSON document to read. A shape is one value, the named members of an object, a list of such parts, or
 * all short texts of an object.
 */
export type Shape = 'value' | 'texts' | readonly [Shape] | { readonly [member: string]: Shape };

/** A longer text counts as absent. */
const longestText = 256 * 1024;
/** A list ends after this many elements, and an object of texts after this many names. */
const mostElements = 1_000;
const longestName = 1_000;

/**
 * Reads parts of a JSON document and skips the others. Skipped parts must be valid JSON too, but use no memory beyond
 * the bytes of the document. The generator pauses after each step, so that the caller can serve others. As with
 * `JSON.parse`, the last of several members with the same name counts.
 */
export function* pickJson(bytes: Buffer, shape: Shape): Generator<void, unknown> {
  const cursor = new JsonCursor(bytes);
  const value = yield* read(cursor, shape);
  while (!cursor.skipSpace()) yield;
  if (cursor.at < bytes.length) throw new MalformedJson('There is more after the document');
  return value;
}

/** Reads the next value. Returns undefined if it does not have the shape. */
function* read(cursor: JsonCursor, shape: Shape): Generator<void, unknown> {
  while (!cursor.skipSpace()) yield;
  const first = cursor.bytes[cursor.at];
  if (first === openObject && shape === 'texts') return yield* readTexts(cursor);
  if (first === openObject && isMembers(shape)) return yield* readMembers(cursor, shape);
  if (first === openList && isList(shape)) return yield* readList(cursor, shape[0]);
  const start = cursor.at;
  while (!cursor.skipSome()) yield;
  const isWanted = shape === 'value' && first !== openObject && first !== openList;
  return isWanted ? valueAt(cursor, start) : undefined;
}

function* readMembers(cursor: JsonCursor, shape: Record<string, Shape>): Generator<void, unknown> {
  const members: Record<string, unknown> = {};
  for (let first = true; yield* moves(cursor, closeObject, first); first = false) {
    const name = yield* readName(cursor);
    const wanted = name !== undefined && Object.hasOwn(shape, name) ? shape[name] : undefined;
    if (name !== undefined && wanted) members[name] = yield* read(cursor, wanted);
    else while (!cursor.skipSome()) yield;
  }
  return members;
}

/** Reads the name of a member and moves to its value. */
function* readName(cursor: JsonCursor): Generator<void, string | undefined> {
  const start = cursor.at;
  while (!cursor.skipSome()) yield;
  const name = nameAt(cursor, start);
  while (!cursor.skipSpace()) yield;
  cursor.pass(colon);
  return name;
}

function* readTexts(cursor: JsonCursor): Generator<void, unknown> {
  const texts = new Map<string, string>();
  for (let first = true; yield* moves(cursor, closeObject, first); first = false) {
    const name = yield* readName(cursor);
    const text = yield* read(cursor, 'value');
    if (name === undefined || (texts.size >= mostElements && !texts.has(name))) continue;
    if (typeof text === 'string' && text.length <= longestName) texts.set(name, text);
    else texts.delete(name);
  }
  return Object.fromEntries(texts);
}

function* readList(cursor: JsonCursor, shape: Shape): Generator<void, unknown> {
  const list: unknown[] = [];
  for (let first = true; yield* moves(cursor, closeList, first); first = false) {
    if (list.length < mostElements) list.push(yield* read(cursor, shape));
    else while (!cursor.skipSome()) yield;
  }
  return list;
}

/** Moves to the first part of an object or a list, or to the next part. Returns whether there is one. */
function* moves(cursor: JsonCursor, close: number, isFirst: boolean): Generator<void, boolean> {
  if (isFirst) cursor.at += 1;
  while (!cursor.skipSpace()) yield;
  if (cursor.bytes[cursor.at] === close) {
    cursor.at += 1;
    return false;
  }
  if (!isFirst) cursor.pass(comma);
  while (!cursor.skipSpace()) yield;
  if (close === closeObject && cursor.bytes[cursor.at] !== quote) throw new MalformedJson('A name is missing');
  return true;
}

/** Returns the name of a member, or undefined if it is longer than every name in a shape. */
function nameAt({ bytes, at }: JsonCursor, start: number): string | undefined {
  if (at - start > longestName) return undefined;
  // Most names are plain ASCII, and reading them as such is many times faster.
  for (let index = start + 1; index < at - 1; index += 1) {
    const byte = bytes[index] as number;
    if (byte === backslash || byte >= 0x80) return JSON.parse(bytes.toString('utf8', start, at));
  }
  return bytes.toString('latin1', start + 1, at - 1);
}

/** Parses a value that is valid JSON and has no parts. */
function valueAt({ bytes, at }: JsonCursor, start: number): unknown {
  return at - start <= longestText ? JSON.parse(bytes.toString('utf8', start, at)) : undefined;
}

/** Returns the same parts of a value that `JSON.parse` has returned. */
export function partsOf(value: unknown, shape: Shape): unknown {
  if (shape === 'value') return isLeaf(value) ? value : undefined;
  if (isList(shape)) {
    return Array.isArray(value) ? value.slice(0, mostElements).map((one) => partsOf(one, shape[0])) : undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  if (shape === 'texts') {
    const texts = Object.entries(value).filter(([name, text]) => isShort(name) && isShort(text));
    return Object.fromEntries(texts.slice(0, mostElements));
  }
  const present = Object.entries(shape).filter(([name]) => Object.hasOwn(value, name));
  return Object.fromEntries(
    present.map(([name, part]) => [name, partsOf((value as Record<string, unknown>)[name], part)]),
  );
}

function isLeaf(value: unknown): boolean {
  if (typeof value === 'string') return value.length <= longestText;
  return typeof value !== 'object' || value === null;
}

function isShort(text: unknown): boolean {
  return typeof text === 'string' && text.length <= longestName;
}

function isList(shape: Shape): shape is readonly [Shape] {
  return Array.isArray(shape);
}

function isMembers(shape: Shape): shape is Record<string, Shape> {
  return typeof shape === 'object' && !isList(shape);
}
