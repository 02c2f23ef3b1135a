export const usage: string;
export class UsageError extends Error {}
export function readOptions(args: string[]): {
  minutes: number;
  seed: number | undefined;
  runs: number;
  files: string[];
  help: boolean;
};
