import { readFileSync } from 'node:fs';

/** Returns the version of the package that these commands belong to. */
export function versionLine(): string {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return `fairlead ${version}`;
}
