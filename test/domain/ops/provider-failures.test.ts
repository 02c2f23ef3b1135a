import { describe, expect, test } from 'vitest';
import { cloudAdvice } from '../../../domain/clouds/cloud-advice.ts';
import { cloudFailures } from '../../../domain/ops/cloud-failures.ts';
import { githubFailures } from '../../../domain/ops/github-failures.ts';
import { failureFacts, type ProviderErrorCode, providerFailures } from '../../../domain/ops/provider-failures.ts';
import { registryFailures } from '../../../domain/ops/registry-failures.ts';
import { sharedFailures } from '../../../domain/ops/shared-failures.ts';

const codes = Object.keys(providerFailures) as ProviderErrorCode[];

describe('the table of provider failures', () => {
  test('has one row for each code', () => {
    const rows = [sharedFailures, githubFailures, cloudFailures, registryFailures].flatMap((table) =>
      Object.keys(table),
    );
    expect(codes.length).toBeGreaterThan(70);
    expect(rows.sort()).toEqual([...codes].sort());
  });

  test.each(codes)('gives short advice about %s', (code) => {
    const { advice } = providerFailures[code];
    expect(advice).toMatch(/^[A-Z].*\.$/);
    for (const sentence of advice.split(/(?<=\.) /)) expect(sentence.split(' ').length).toBeLessThanOrEqual(25);
    expect(cloudAdvice(code)).toBe(advice);
  });

  test('has no row for a code of something else', () => {
    expect(['internal', 'something_new', 'constructor', ''].map(failureFacts)).toEqual(Array(4).fill(undefined));
  });
});

test('the advice about a cloud account does not blame it for a failure of Fairlead', () => {
  expect(cloudAdvice('internal')).toMatch(/Verify the account again/);
  expect(cloudAdvice('something_new')).toMatch(/`setup`/);
});
