/** One line for each thing that takes time or that somebody must know. */
export function say(text) {
  console.log(`setup: ${text}`);
}

/** Ends with one sentence that says what to do. */
export class SetupError extends Error {}
