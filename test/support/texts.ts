import { hostileTexts } from './hostile-texts.ts';
import { fc } from './properties.ts';

/** Draws any JavaScript string, even one that UTF-8 cannot encode, and the texts that make some parsers throw. */
export const anyText = fc.oneof(
  fc.string({ maxLength: 60 }),
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc
    .array(fc.integer({ min: 0xd800, max: 0xdfff }), { maxLength: 4 })
    .map((units) => `a${String.fromCharCode(...units)}b`),
  fc.constantFrom(...hostileTexts),
);

const label = fc.oneof(
  fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?$/),
  fc.constantFrom('0', '0x1', '255', '256', 'xn--a', 'xn--', '1e3', 'localhost', 'internal', 'com', 'github', '', '*'),
);
const host = fc.oneof(
  fc.array(label, { maxLength: 5 }).map((labels) => labels.join('.')),
  fc.ipV4(),
  fc.ipV6().map((address) => `[${address}]`),
);
const port = fc.oneof(
  fc.constantFrom('', ':', ':443', ':080'),
  fc.integer({ min: -1, max: 70_000 }).map((number) => `:${number}`),
);
const scheme = fc.constantFrom('https://', 'http://', 'HTTPS://', 'https:', '//', 'ftp://', 'javascript:', '');

/** Draws a text that looks like a URL, but often cannot be parsed. */
export const addressText = fc.oneof(
  fc
    .tuple(scheme, fc.constantFrom('', 'user@', 'user:secret@'), host, port, fc.oneof(fc.constant(''), anyText))
    .map((parts) => parts.join('')),
  fc.webUrl(),
  anyText,
);
