export class MalformedJson extends Error {
  override name = 'MalformedJson';
}

/** GitHub's payloads have about ten levels. */
const mostDepth = 512;
const longestNumber = 1_000;
/** The number of bytes between two pauses. Reading them takes about a millisecond. */
const bytesPerStep = 256 * 1024;

export const [quote, backslash, comma, colon] = [0x22, 0x5c, 0x2c, 0x3a];
export const [openObject, closeObject, openList, closeList] = [0x7b, 0x7d, 0x5b, 0x5d];
const [letterU, zero] = [0x75, 0x30];
const escapes = new Set([...'"\\/bfnrt'].map((character) => character.charCodeAt(0)));
const words = ['true', 'false', 'null'].map((word) => Buffer.from(word));

/** The bytes that end a run: a special one within a text, and one that belongs to no number after a number. */
const [special, ofNumber] = [1, 2];
const kinds = new Uint8Array(256);
kinds.fill(special, 0, 0x20);
for (const byte of [quote, backslash]) kinds[byte] = special;
for (const character of '0123456789+-.eE') kinds[character.charCodeAt(0)] = ofNumber;

/** What can follow in the value that is being skipped. */
const [value, valueOrEnd, name, nameOrEnd, colonAfterName, commaOrEnd] = [0, 1, 2, 3, 4, 5];

/**
 * A position in a JSON document. `skipSpace` and `skipSome` skip space or a value, and keep nothing of it. They return
 * false when they pause, and the caller calls them again until they return true.
 */
export class JsonCursor {
  readonly bytes: Buffer;
  at = 0;
  private pauseAt = bytesPerStep;
  private next = value;
  private inText = false;
  private depth = 0;
  /** For each open level, 1 if it is an object. */
  private readonly levels = new Uint8Array(mostDepth);

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  skipSpace(): boolean {
    while (this.at < this.pauseAt) {
      if (!isSpace(this.bytes[this.at])) return true;
      this.at += 1;
    }
    return this.pause();
  }

  /** Skips one character. Throws if the next character is another one. */
  pass(byte: number): void {
    if (this.bytes[this.at] !== byte) throw unexpected();
    this.at += 1;
  }

  /** Skips the value at this position. */
  skipSome(): boolean {
    const { bytes, levels } = this;
    const end = Math.min(this.pauseAt, bytes.length);
    let { at, next, depth, inText } = this;
    while (at < end) {
      if (inText) {
        while (at < end && kinds[bytes[at] as number] !== special) at += 1;
        if (at >= end) break;
        const byte = bytes[at] as number;
        if (byte === backslash) {
          at = this.afterEscape(at + 1);
          continue;
        }
        if (byte !== quote) throw new MalformedJson('A text has a control character');
        inText = false;
        at += 1;
        next = next === name ? colonAfterName : commaOrEnd;
        if (depth > 0) continue;
        return this.ends(at);
      }
      const byte = bytes[at] as number;
      if (byte === quote) {
        if (next > nameOrEnd) throw unexpected();
        next = next > valueOrEnd ? name : value;
        inText = true;
        at += 1;
      } else if (byte === colon) {
        if (next !== colonAfterName) throw unexpected();
        next = value;
        at += 1;
      } else if (byte === comma) {
        if (next !== commaOrEnd) throw unexpected();
        next = levels[depth - 1] === 1 ? name : value;
        at += 1;
      } else if (byte === closeObject || byte === closeList) {
        const isObject = byte === closeObject;
        const isEmpty = next === (isObject ? nameOrEnd : valueOrEnd);
        if (depth === 0 || levels[depth - 1] !== (isObject ? 1 : 0) || !(isEmpty || next === commaOrEnd)) {
          throw unexpected();
        }
        depth -= 1;
        at += 1;
        next = commaOrEnd;
        if (depth === 0) return this.ends(at);
      } else if (isSpace(byte)) {
        at += 1;
      } else {
        if (next > valueOrEnd) throw unexpected();
        if (byte === openObject || byte === openList) {
          if (depth === mostDepth) throw new MalformedJson('It is nested too deeply');
          levels[depth] = byte === openObject ? 1 : 0;
          depth += 1;
          at += 1;
          next = byte === openObject ? nameOrEnd : valueOrEnd;
        } else {
          at = this.afterWord(at);
          next = commaOrEnd;
          if (depth === 0) return this.ends(at);
        }
      }
    }
    if (at >= bytes.length) throw new MalformedJson('The document is incomplete');
    this.at = at;
    this.next = next;
    this.depth = depth;
    this.inText = inText;
    return this.pause();
  }

  /** Resets the state after the end of a value, for the next one. */
  private ends(at: number): true {
    this.at = at;
    this.next = value;
    this.depth = 0;
    this.inText = false;
    return true;
  }

  private pause(): false {
    this.pauseAt = this.at + bytesPerStep;
    return false;
  }

  private afterEscape(at: number): number {
    const byte = this.bytes[at];
    if (byte === letterU) {
      for (let digit = 1; digit <= 4; digit += 1) {
        if (!isHex(this.bytes[at + digit])) throw new MalformedJson('An escape is incomplete');
      }
      return at + 5;
    }
    if (byte === undefined || !escapes.has(byte)) throw new MalformedJson('An escape is unknown');
    return at + 1;
  }

  /** Returns the position after a number, `true`, `false` or `null`. */
  private afterWord(at: number): number {
    const { bytes } = this;
    const word = words.find((one) => bytes[at] === one[0]);
    if (word) {
      if (word.some((byte, index) => bytes[at + index] !== byte)) throw unexpected();
      return at + word.length;
    }
    let end = at;
    while (end < bytes.length && kinds[bytes[end] as number] === ofNumber) end += 1;
    // GitHub's numbers are short integers.
    let digit = at;
    while (digit < end && isDigit(bytes[digit])) digit += 1;
    if (digit === end && end > at && (bytes[at] !== zero || end === at + 1) && end - at <= longestNumber) return end;
    const text = end - at <= longestNumber ? bytes.toString('latin1', at, end) : '';
    if (!/^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(text)) throw new MalformedJson('A number is malformed');
    return end;
  }
}

function unexpected(): MalformedJson {
  return new MalformedJson('A character is unexpected');
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function isHex(byte = 0): boolean {
  return (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66);
}

function isDigit(byte = 0): boolean {
  return byte >= zero && byte <= 0x39;
}
