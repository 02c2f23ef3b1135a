import { expect, test } from 'vitest';
import { troubleOf, troubles, verdictOn } from '../../../domain/registries/registry-verdicts.ts';
import { registryCodes } from '../../support/fakes/registry-codes.ts';

test.each(registryCodes)('what %s says of a connection is decided', (code) => {
  const classes = Object.entries(troubles).filter(([, codes]) => (codes as readonly string[]).includes(code));
  expect(classes.map(([trouble]) => trouble)).toEqual([troubleOf(code)]);
});

test('a door that is closed from here says nothing against the credential', () => {
  const found = { login: { ok: false as const, code: 'policy', message: 'No' }, checks: [] };
  expect(verdictOn({ status: 'active', reason: null }, found)).toEqual({ status: 'degraded', reason: 'policy' });
  expect(verdictOn({ status: 'pending', reason: null }, found)).toEqual({ status: 'pending', reason: 'policy' });
});

test('a code that nobody has thought of ends no good credential, and is seen', () => {
  expect(troubleOf('something_new')).toBe('wrong');
});
