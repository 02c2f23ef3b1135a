import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

export const root = path.join(import.meta.dirname, '..', '..');

export type Page = { file: string; text: string };

export function readPage(file: string): Page {
  return { file, text: readFileSync(path.join(root, file), 'utf8') };
}

/** Every page for people. What an earlier release said may name what is no longer there. */
export function pages(): Page[] {
  const docs = readdirSync(path.join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => readPage(path.posix.join('docs', name)));
  const { file, text } = readPage('CHANGELOG.md');
  const [intro = '', unreleased = ''] = text.split(/^## /m);
  return [readPage('README.md'), readPage('CONTRIBUTING.md'), { file, text: `${intro}## ${unreleased}` }, ...docs];
}

/** The code of a page: its blocks, and what stands in backticks. */
export function codeOf(text: string): string[] {
  const fence = /^ *```[^\n]*\n(.*?)^ *```/gms;
  const blocks = [...text.matchAll(fence)].map(([, block = '']) => block);
  const inline = [...text.replaceAll(fence, '').matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code);
  return [...blocks, ...inline];
}

/** `page: complaint` for each complaint of each page. */
export function complaintsOf(all: Page[], complain: (page: Page) => string[]): string[] {
  return all.flatMap((page) => complain(page).map((text) => `${page.file}: ${text}`));
}
