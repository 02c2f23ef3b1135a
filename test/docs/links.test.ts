import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { complaintsOf, type Page, pages, readPage, root } from '../support/docs.ts';

const withoutCode = (text: string) =>
  text.replaceAll(/^ *```.*?^ *```/gms, '').replaceAll(/`[^`\n]*`/g, (code) => code.replaceAll(/[[\]]/g, ' '));

/** Returns the targets of a page's links, except those to other sites. */
function linksOf({ text }: Page): string[] {
  const targets = [...withoutCode(text).matchAll(/\]\(\s*<?([^)\s>]+)[^)]*\)|^\[[^\]]+\]:\s*(\S+)/gm)];
  return targets
    .map(([, inline, reference]) => inline ?? reference ?? '')
    .filter((to) => !/^[a-z][a-z+.-]*:/i.test(to));
}

/** Returns the anchors that GitHub gives to the headings of a page. */
function anchorsOf(text: string): Set<string> {
  const seen = new Map<string, number>();
  const anchors = new Set<string>();
  for (const [, heading = ''] of text.replaceAll(/^ *```.*?^ *```/gms, '').matchAll(/^#{1,6}\s+(.+?)\s*#*$/gm)) {
    const plain = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const anchor = plain.replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(/\s/g, '-');
    const times = seen.get(anchor) ?? 0;
    seen.set(anchor, times + 1);
    anchors.add(times === 0 ? anchor : `${anchor}-${times}`);
  }
  return anchors;
}

function brokenLinksOf(page: Page): string[] {
  return linksOf(page).filter((link) => {
    const [to = '', anchor] = decodeURIComponent(link).split('#');
    if (to === '') return !anchorsOf(page.text).has(anchor ?? '');
    const target = path.posix.join(path.posix.dirname(page.file), to);
    if (!existsSync(path.join(root, target))) return true;
    if (anchor === undefined) return false;
    if (!target.endsWith('.md') || statSync(path.join(root, target)).isDirectory()) return true;
    return !anchorsOf(readPage(target).text).has(anchor);
  });
}

test('every relative link of the documentation leads to a file, and every anchor to a heading', () => {
  expect(pages().flatMap(linksOf).length).toBeGreaterThan(40);
  expect(complaintsOf(pages(), brokenLinksOf)).toEqual([]);
});

test('finds a link to a missing file or a missing heading', () => {
  const text = [
    '# A page of `its` own',
    '## Twice',
    '## Twice',
    '[good](problems.md), [good](#a-page-of-its-own), [good](#twice-1), [elsewhere](https://example.com/x.md)',
    '[good](operations.md#how-installations-and-repositories-are-kept-in-step), `[code](none.md)`',
    '[bad](none.md), [bad](#twice-2), [bad](operations.md#no-such-heading), [bad](openapi.json#x)',
    '[ref]: also-none.md',
  ].join('\n');
  expect(brokenLinksOf({ file: 'docs/page.md', text })).toEqual([
    'none.md',
    '#twice-2',
    'operations.md#no-such-heading',
    'openapi.json#x',
    'also-none.md',
  ]);
});
