/** Makes the compiled commands start by name, also where only `cli`, `domain` and this package.json were copied to. */
export function addCommands(root: string, dist: string): void;
