/** A secret and the ways in which it may have been written down. */
export type Canary = { name: string; forms: string[] };

/** Long enough not to turn up by chance; of a base64 text, what stays the same at each of the three alignments. */
export function canary(name: string, secret: string): Canary {
  const bytes = Buffer.from(secret, 'utf8');
  const base64 = [0, 1, 2].map((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), bytes]).toString('base64');
    return text.slice(shift === 0 ? 0 : 4, -4);
  });
  const forms = [
    secret,
    bytes.toString('hex'),
    encodeURIComponent(secret),
    JSON.stringify(secret).slice(1, -1),
    ...base64,
  ];
  return { name, forms: [...new Set(forms)].filter((form) => form.length >= 12) };
}

/** The names of the canaries that are somewhere in the text or bytes. */
export function found(canaries: Canary[], haystack: string | Buffer): string[] {
  const text = typeof haystack === 'string' ? haystack : haystack.toString('latin1');
  return canaries.filter(({ forms }) => forms.some((form) => text.includes(form))).map(({ name }) => name);
}
