import { expect, test } from 'vitest';
import { createBodyBudget } from '../../../api/deliveries/body-budget.ts';

function budgetOf(limits = { maxBytes: 100, maxBytesOfOne: 60 }) {
  const clock = { ms: 0 };
  const budget = createBodyBudget({ ...limits, now: () => clock.ms });
  const refused: string[] = [];
  /** Opens a body and receives this many bytes of it. */
  function body(name: string, bytes: number, app = 'gha_1') {
    const share = budget.open({ network: name, app }, () => {
      refused.push(name);
      share.close();
    });
    share.take(bytes);
    return share;
  }
  return { budget, clock, refused, body };
}

test('refuses the stranger that holds the most, not the sender that comes last', () => {
  const { body, refused } = budgetOf();
  body('many', 30);
  body('many', 25);
  body('few', 40);
  body('new', 10);
  expect(refused).toEqual(['many', 'many']);
});

test('refuses strangers before a sender that can sign, even if they hold less', () => {
  const { budget, body, refused } = budgetOf();
  budget.prove({ network: 'github', app: 'gha_1' });
  body('github', 55);
  for (let n = 0; n < 8; n += 1) body(`stranger ${n}`, 6);
  expect(refused).not.toContain('github');
  expect(refused.length).toBeGreaterThan(0);
});

test('refuses a sender that can sign and holds much before a stranger that holds little', () => {
  const megabyte = 1024 * 1024;
  const { budget, body, refused } = budgetOf({ maxBytes: 100 * megabyte, maxBytesOfOne: 100 * megabyte });
  budget.prove({ network: 'tenant', app: 'gha_1' });
  body('tenant', 100 * megabyte - 1_000);
  body('other', 2_000, 'gha_2');
  expect(refused).toEqual(['tenant']);
});

test('does not accept a proof for one GitHub App for the bodies of another', () => {
  const { budget, body, refused } = budgetOf();
  budget.prove({ network: 'tenant', app: 'gha_own' });
  body('tenant', 50, 'gha_1');
  body('other', 30);
  body('another', 30);
  expect(refused).toEqual(['tenant']);
});

test('forgets a proof after an hour', () => {
  const { budget, clock, body, refused } = budgetOf();
  budget.prove({ network: 'once', app: 'gha_1' });
  clock.ms += 3_600_001;
  body('once', 50);
  body('other', 30);
  body('another', 30);
  expect(refused).toEqual(['once']);
});

test('limits a network to its share, even if it names several GitHub Apps, and frees the share later', () => {
  const { body, refused } = budgetOf();
  const first = body('one', 40, 'gha_1');
  body('one', 40, 'gha_2');
  expect(refused).toEqual(['one']);
  first.close();
  body('one', 60, 'gha_3');
  expect(refused).toHaveLength(1);
});
