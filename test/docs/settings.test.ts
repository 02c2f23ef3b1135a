import { readdirSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { complaintsOf, type Page, pages, readPage, root } from '../support/docs.ts';

/** Matches Fairlead's variables by their prefix, and not those of npm, docker or git. */
const ours =
  /\b(?:FAIRLEAD|TEMPORAL|GITHUB|GOOGLE_OAUTH|DATABASE|CHROMIUM|TEST)_[A-Z0-9_]*[A-Z0-9](?![A-Z0-9_]*_?[…*])\b/g;
const variablesIn = (text: string) => new Set(text.match(ours) ?? []);

/** The keys of the schema that config.ts reads the environment with. */
const settings = new Set(
  [...readPage('config.ts').text.matchAll(/^ {2}([A-Z][A-Z0-9_]+): /gm)].map(([, name = '']) => name),
);

/** The variables that the command line, the scripts and the tests read as well. */
const read = new Set(
  ['cli', 'scripts', 'test/support', '.']
    .flatMap((folder) =>
      readdirSync(path.join(root, folder), { recursive: folder !== '.', encoding: 'utf8' })
        .filter((name) => /\.(ts|mjs|sh)$/.test(name))
        .map((name) => path.posix.join(folder, name)),
    )
    .flatMap((file) => [...variablesIn(withoutComments(readPage(file).text))]),
);

function withoutComments(code: string): string {
  return code.replaceAll(/^\s*(\/\/|\/?\*|#).*$/gm, '');
}

function unknownIn({ text }: Page): string[] {
  return [...variablesIn(text)].filter((name) => !settings.has(name) && !read.has(name));
}

/** Has a line `# NAME=` for each setting, or a comment that names the alternative to another setting. */
const example = readPage('.env.example');

test('every variable that the documentation names is read by Fairlead', () => {
  expect(settings.size).toBeGreaterThan(40);
  expect(
    variablesIn(
      pages()
        .map(({ text }) => text)
        .join('\n'),
    ).size,
  ).toBeGreaterThan(25);
  expect(complaintsOf([...pages(), example], unknownIn)).toEqual([]);
});

test('every setting is in .env.example, and every setting there exists', () => {
  const given = [...example.text.matchAll(/^# ([A-Z][A-Z0-9_]+)=/gm)].map(([, name = '']) => name);
  expect(given.filter((name) => !settings.has(name))).toEqual([]);
  expect(new Set(given).size).toBe(given.length);
  expect([...settings].filter((name) => !new RegExp(`\\b${name}\\b`).test(example.text))).toEqual([]);
});

test('finds a variable that nothing reads', () => {
  const text = '`FAIRLEAD_PORT`, `FAIRLEAD_NONE`, GITHUB_APP_…, `FAIRLEAD_TOKEN`, TEMPORAL_NOTHING=x, `DOCKER_CONFIG`';
  expect(unknownIn({ file: 'docs/page.md', text })).toEqual(['FAIRLEAD_NONE', 'TEMPORAL_NOTHING']);
});
