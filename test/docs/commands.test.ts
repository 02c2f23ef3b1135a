import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { usage } from '../../cli/usage.ts';
import { codeOf, complaintsOf, type Page, pages, readPage, root } from '../support/docs.ts';

const { scripts } = JSON.parse(readPage('package.json').text) as { scripts: Record<string, string> };
const folders = readdirSync(root, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && entry.name !== 'node_modules')
  .map(({ name }) => name);

/** Returns the scripts behind `npm start`, `npm test` and `npm run x`. */
function scriptsIn(code: string): string[] {
  return [...code.matchAll(/\bnpm (?:(start|test)\b|run (?:-\S+ )*([\w:-]+))/g)].map(
    ([, short, long]) => short ?? long ?? '',
  );
}

/** Returns the paths that begin with a folder of this repository, or with `dist`. */
function filesIn(code: string): string[] {
  const words = code.match(/(?<![\w./-])[\w.-]+\/[\w.,{}/*-]*[\w}/*]/g) ?? [];
  return words.flatMap(alternatives).filter((name) => [...folders, '.ci', 'dist'].includes(name.split('/')[0] ?? ''));
}

/** Expands `a/{b,c}.ts` to two files. */
function alternatives(name: string): string[] {
  const [all, before, choices, after] = /^(.*?)\{([^}]*)\}(.*)$/.exec(name) ?? [];
  if (all === undefined) return [name];
  return (choices ?? '').split(',').flatMap((choice) => alternatives(`${before}${choice}${after}`));
}

/** Whether the file exists. The build makes `dist/x.js` from `x.ts`. */
function isThere(name: string): boolean {
  const source = name.startsWith('dist/') ? name.replace(/^dist\//, '').replace(/\.js$/, '.ts') : name;
  // Of a pattern such as `*.ts`, check only the folder.
  return existsSync(path.join(root, source.replace(/[^/]*\*.*$/, '')));
}

/** Returns the commands of `fairlead`, such as `login`, but not the word after the name in a sentence. */
function commandsIn(code: string): string[] {
  return [...code.matchAll(/(?:^|\n *|\$ )fairlead ([a-z][\w-]*)/g)].map(([, name = '']) => name);
}

function absentFrom({ text }: Page): string[] {
  return codeOf(text).flatMap((code) => [
    ...scriptsIn(code)
      .filter((name) => !Object.hasOwn(scripts, name))
      .map((name) => `npm run ${name}`),
    ...filesIn(code).filter((name) => !isThere(name)),
    ...commandsIn(code)
      .filter((name) => !new RegExp(`^ *(fairlead )?${name}\\b`, 'm').test(usage))
      .map((name) => `fairlead ${name}`),
  ]);
}

test('every command and every file that the documentation names exists', () => {
  const code = pages().flatMap(({ text }) => codeOf(text));
  expect(new Set(code.flatMap(scriptsIn)).size).toBeGreaterThan(10);
  expect(new Set(code.flatMap(filesIn)).size).toBeGreaterThan(30);
  expect(new Set(code.flatMap(commandsIn)).size).toBeGreaterThan(2);
  expect(complaintsOf([...pages()], absentFrom)).toEqual([]);
});

test('finds a command or a file that does not exist', () => {
  const text = [
    '`npm start`, `npm run check`, `npm run none`, `npm run -s none:too`',
    '```sh',
    'npm run migrate && node dist/none.js && node dist/api/main.js',
    'scripts/none.sh',
    'fairlead login --url x',
    'fairlead dance',
    '```',
    '`domain/{ids,none}.ts`, `db/migrations/*.ts`, `workflows/none/*.ts`, `application/json`, in words: api/none.ts',
  ].join('\n');
  expect(absentFrom({ file: 'docs/page.md', text }).sort()).toEqual([
    'dist/none.js',
    'domain/none.ts',
    'fairlead dance',
    'npm run none',
    'npm run none:too',
    'scripts/none.sh',
    'workflows/none/*.ts',
  ]);
});
