// Part of `npm run check`: rejects words that make a sentence slow to read, in all code and documentation.
// Usage: node scripts/check-language.mjs [file …], by default all files of the checkout.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const root = path.join(import.meta.dirname, '..');

/** Each word to avoid, with what to write instead. */
const instead = {
  whoever: '"a caller that", "a person who"',
  whatever: '"any", "every", or name the cases',
  anew: '"again"',
  mend: '"fix"',
  meanwhile: '"in the meantime", "at the same time", or say what happens then',
  'in vain': '"without success", or say what failed',
  lest: '"so that … does not"',
};
const slow = /\b(whoever|whatever|anew|mend(?:s|ed|ing)?|meanwhile|in\s+vain|lest)\b/gi;

/** The files that may have these words, each with the reason. */
const allowed = new Map([
  ['scripts/check-language.mjs', 'names the words'],
  ['test/scripts/check-language.test.ts', 'shows that each word is found'],
  ['package-lock.json', 'written by npm'],
  ['LICENSE', 'the text of the license'],
  ['stand-ins/github/contract.json', 'text by GitHub'],
]);
/** Saved histories and payloads are records, so nobody edits their words. */
const records = /^test\/fixtures\//;
const texts = /\.(ts|tsx|mjs|js|json|md|yml|yaml|sh|html|css|example)$|(^|\/)(Dockerfile|run|\.env\.example)$/;

/**
 * Returns a line for each word found in the text.
 * @param {string} file the path to print
 * @param {string} text
 * @returns {string[]}
 */
export function complaintsIn(file, text) {
  return [...text.matchAll(slow)].map((found) => {
    const line = text.slice(0, found.index).split('\n').length;
    const word = found[0].toLowerCase().replace(/\s+/g, ' ');
    return `${file}:${line} "${found[0]}": write ${instead[word] ?? instead.mend}`;
  });
}

function filesOfCheckout() {
  const { stdout, status } = spawnSync('git', ['ls-files', '-co', '--exclude-standard', '-z'], {
    cwd: root,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error('check-language needs a git checkout to know which files are ours');
  return stdout.split('\0').filter((file) => texts.test(file));
}

function readIfThere(file) {
  try {
    return readFileSync(path.resolve(root, file), 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return ''; // deleted, and not yet committed
    throw error;
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const named = process.argv.slice(2);
  const files = named.length > 0 ? named : filesOfCheckout();
  const found = files
    .filter((file) => !allowed.has(file) && !records.test(file))
    .flatMap((file) => [
      ...complaintsIn(`(name) ${file}`, path.basename(file)),
      ...complaintsIn(file, readIfThere(file)),
    ]);
  for (const line of found) console.error(line);
  if (found.length > 0) {
    console.error(`check-language: ${found.length} of these words make sentences slow to read. Rewrite the sentences.`);
    process.exitCode = 1;
  }
}
