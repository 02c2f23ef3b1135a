import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

export const root = path.join(import.meta.dirname, '..', '..');

export type Page = { file: string; text: string };

export function readPage(file: string): Page {
  return { file, text: readFileSync(path.join(root, file), 'utf8') };
}

/** Returns every page for people. Leaves out earlier releases, which might name things that no longer exist. */
export function pages(): Page[] {
  const docs = readdirSync(path.join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => readPage(path.posix.join('docs', name)));
  const { file, text } = readPage('CHANGELOG.md');
  const [intro = '', unreleased = ''] = text.split(/^## /m);
  return [readPage('README.md'), readPage('CONTRIBUTING.md'), { file, text: `${intro}## ${unreleased}` }, ...docs];
}

/** Returns the code of a page: its code blocks, and the text in backticks. */
export function codeOf(text: string): string[] {
  const fence = /^ *```[^\n]*\n(.*?)^ *```/gms;
  const blocks = [...text.matchAll(fence)].map(([, block = '']) => block);
  const inline = [...text.replaceAll(fence, '').matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code);
  return [...blocks, ...inline];
}

/** Returns `page: complaint` for each complaint about each page. */
export function complaintsOf(all: Page[], complain: (page: Page) => string[]): string[] {
  return all.flatMap((page) => complain(page).map((text) => `${page.file}: ${text}`));
}
