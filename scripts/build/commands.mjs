import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Lets the compiled commands start by name, even if only `cli`, `domain` and this package.json were copied. */
export function addCommands(root, dist) {
  cpSync(path.join(root, 'cli', 'bin'), path.join(dist, 'cli', 'bin'), { recursive: true });
  const { name, version, type, engines } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  writeFileSync(
    path.join(dist, 'package.json'),
    `${JSON.stringify({ name, version, private: true, type, engines })}\n`,
  );
}
