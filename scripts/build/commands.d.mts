/** Lets the compiled commands start by name, even if only `cli`, `domain` and this package.json were copied. */
export function addCommands(root: string, dist: string): void;
