/** Prints one line for each thing that takes time or that the user must know. */
export function say(text) {
  console.log(`setup: ${text}`);
}

/** Exits with one sentence that says what to do. */
export class SetupError extends Error {}
