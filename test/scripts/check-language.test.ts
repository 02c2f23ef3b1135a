import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';

const script = path.join(import.meta.dirname, '..', '..', 'scripts', 'check-language.mjs');
const folder = mkdtempSync(path.join(tmpdir(), 'fairlead-language-'));
afterAll(() => rmSync(folder, { recursive: true }));

function check(text: string) {
  const file = path.join(folder, 'page.md');
  writeFileSync(file, text);
  const { status, stderr } = spawnSync(process.execPath, [script, file], { encoding: 'utf8' });
  return { status, stderr };
}

describe('check-language', () => {
  test.each(['whoever', 'Whatever', 'anew', 'mend', 'mended', 'meanwhile', 'in vain', 'in\nvain', 'lest'])(
    'rejects %j and names the line',
    (word) => {
      const { status, stderr } = check(`One line.\nThis has ${word} in it.\n`);
      expect(status).toBe(1);
      expect(stderr).toContain('page.md:2 ');
      expect(stderr).toContain('write ');
    },
  );

  test('accepts other words, and words that only contain one of these', () => {
    expect(check('We recommend a pull request, as an amendment, unless the caller renews it.\n').status).toBe(0);
  });
});
