import { readFileSync } from 'node:fs';

/** Of the package that these commands are part of. */
export function versionLine(): string {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return `fairlead ${version}`;
}
