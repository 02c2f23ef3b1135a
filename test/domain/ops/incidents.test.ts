import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { incidentCatalogue } from '../../../domain/ops/incidents.ts';

test('the operations manual lists every kind of incident, and no other', () => {
  const manual = readFileSync(new URL('../../../docs/operations.md', import.meta.url), 'utf8');
  const [, section = ''] = /## Incidents\n(.*?)\n## /s.exec(manual) ?? [];
  const told = [...section.matchAll(/^\| `(\w+)` \|/gm)].map(([, code]) => code);
  expect(told.sort()).toEqual(Object.keys(incidentCatalogue).sort());
});

test.each(Object.entries(incidentCatalogue))(
  '%s has a title of two to six words, and its other texts in full sentences',
  (_code, { title, action, resolvedBy }) => {
    expect(title).toMatch(/^[A-Z]\S*(?: \S+){1,5}$/);
    expect(title).not.toMatch(/\.$/);
    for (const sentence of [action, resolvedBy]) expect(sentence).toMatch(/^[A-Z].*\.$/);
  },
);
