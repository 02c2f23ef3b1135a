import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { incidentCatalogue } from '../../../domain/ops/incidents.ts';

test('the operators’ manual tells of every kind of incident, and of no other', () => {
  const manual = readFileSync(new URL('../../../docs/operations.md', import.meta.url), 'utf8');
  const [, section = ''] = /## Incidents\n(.*?)\n## /s.exec(manual) ?? [];
  const told = [...section.matchAll(/^\| `(\w+)` \|/gm)].map(([, code]) => code);
  expect(told.sort()).toEqual(Object.keys(incidentCatalogue).sort());
});

test.each(Object.entries(incidentCatalogue))(
  '%s has one action, in a sentence',
  (_code, { title, action, resolvedBy }) => {
    expect(title).toMatch(/[^.]$/);
    for (const sentence of [action, resolvedBy]) expect(sentence).toMatch(/^[A-Z].*\.$/);
  },
);
