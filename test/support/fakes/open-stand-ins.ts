import { expect } from 'vitest';

const open = new Set<unknown>();

/** Notes that a test has started a stand-in. `noteClosed` removes the note. */
export function noteOpen(standIn: unknown): void {
  open.add(standIn);
}

export function noteClosed(standIn: unknown): void {
  open.delete(standIn);
}

/** Fails if the test file has left a stand-in open, because only closing it checks for violations. */
export function expectAllClosed(): void {
  const left = open.size;
  open.clear();
  expect(left, 'stand-ins that the test file left open').toBe(0);
}
