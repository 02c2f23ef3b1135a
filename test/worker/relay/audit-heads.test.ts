import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { appendAudit } from '../../../db/ops/audit.ts';
import { chainAudit } from '../../../db/ops/audit-chain.ts';
import { createLogger } from '../../../log.ts';
import { measureInstance } from '../../../worker/ops/instance-metrics.ts';
import { createAuditHeads } from '../../../worker/relay/audit-heads.ts';
import { openTestDatabase } from '../../support/database.ts';

test('logs the head of each chain that has grown, at most once a minute and at the end', () => {
  const lines: Record<string, unknown>[] = [];
  const heads = createAuditHeads(createLogger('info', { write: (line) => lines.push(JSON.parse(line)) }));
  const head = (chain: string, sequence: number) => ({ chain, sequence, hash: `k1.${'a'.repeat(64)}` });
  const said = () => lines.splice(0).map(({ msg, chain, sequence, head: kept }) => [msg, chain, sequence, kept]);
  const line = (chain: string, sequence: number) => [
    'Audit chain head',
    chain,
    sequence,
    `${sequence}:k1.${'a'.repeat(64)}`,
  ];

  heads.tell();
  heads.note([head('org_a', 1), head('org_b', 4)]);
  heads.tell();
  expect(said()).toEqual([line('org_a', 1), line('org_b', 4)]);
  heads.note([head('org_a', 2)]);
  heads.note([head('org_a', 3)]);
  heads.tell();
  expect(said()).toEqual([]);
  heads.tell(true);
  expect(said()).toEqual([line('org_a', 3)]);
});

test('the audit length metric counts the rows of all chains', async () => {
  const database = await openTestDatabase();
  const length = async () => {
    const registry = new Registry();
    measureInstance(registry, database, createLogger('silent'));
    return /^fairlead_audit_length (\d+)$/m.exec(await registry.metrics())?.[1];
  };
  const entry = { orgId: null, actor: 'system', action: 'app.created', target: 'app' };
  try {
    expect(await length()).toBe('0');
    await database.write((trx) => appendAudit(trx, entry, entry));
    await database.write((trx) => chainAudit(trx));
    expect(await length()).toBe('2');
  } finally {
    await database.drop();
  }
});
