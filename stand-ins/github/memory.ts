import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { State } from './state.ts';

/** State of the running process, which is not saved. */
const notKept = new Set(['flavour', 'enterpriseVersion', 'url', 'apiUrl', 'clock']);

/** Keeps the stand-in's state in a file, including keys and tokens. They give access only to the stand-in. */
export function createMemory(state: State, file: string) {
  let written = '';
  return {
    /** Loads the state of an earlier process, if there is one. */
    recall(): void {
      if (!existsSync(file)) return;
      written = readFileSync(file, 'utf8');
      Object.assign(state, JSON.parse(written, fromJson));
      // An earlier version of the stand-in did not have these fields.
      for (const [id, app] of state.apps) state.apps.set(id, { ...unknownBefore(), ...app });
    },
    /** Writes the changed state completely or not at all. */
    keep(): void {
      const kept = Object.entries(state).filter(([name, value]) => typeof value !== 'function' && !notKept.has(name));
      const text = JSON.stringify(Object.fromEntries(kept), toJson);
      if (text === written) return;
      writeFileSync(`${file}.new`, text, { mode: 0o600 });
      renameSync(`${file}.new`, file);
      written = text;
    },
  };
}

const unknownBefore = () => ({ otherPublicKeys: [], deletedPublicKeys: [], otherClientSecrets: [] });

function toJson(_: string, value: unknown): unknown {
  if (value instanceof Map) return { $map: [...value] };
  return value instanceof Set ? { $set: [...value] } : value;
}

function fromJson(_: string, value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value;
  if ('$map' in value) return new Map(value.$map as [unknown, unknown][]);
  return '$set' in value ? new Set(value.$set as unknown[]) : value;
}
