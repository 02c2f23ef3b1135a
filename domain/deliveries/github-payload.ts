/** Reads parts of an untrusted payload. A part with another type than expected counts as absent. */
export type Payload = Record<string, unknown>;

export function objectIn(payload: unknown, ...path: string[]): Payload | undefined {
  let current: unknown = payload;
  for (const key of path) current = isObject(current) ? current[key] : undefined;
  return isObject(current) ? current : undefined;
}

export function textIn(payload: Payload | undefined, key: string): string | undefined {
  const value = payload?.[key];
  return typeof value === 'string' ? value : undefined;
}

/** GitHub's ids: positive integers that a double represents exactly. */
export function idIn(payload: Payload | undefined, key: string): number | undefined {
  const value = payload?.[key];
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : undefined;
}

/** A time in ms. GitHub sends text or seconds. */
export function timeIn(payload: Payload | undefined, key: string): number | undefined {
  const text = textIn(payload, key) ?? '';
  const ms = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : (idIn(payload, key) ?? Number.NaN) * 1000;
  // Rejects invalid times, and times that no clock will ever show.
  return Number.isNaN(new Date(ms).getTime()) ? undefined : ms;
}

export function flagIn(payload: Payload | undefined, key: string): boolean {
  return payload?.[key] === true;
}

export function listIn(payload: Payload | undefined, key: string): Payload[] {
  const value = payload?.[key];
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function isObject(value: unknown): value is Payload {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
