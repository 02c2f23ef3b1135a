import { expect, test } from 'vitest';
import { buildMoves, dispatchMoves, isFinalBuildStatus } from '../../domain/builds/build-status.ts';
import { cloudAccountMoves } from '../../domain/clouds/cloud-accounts.ts';
import { flowMoves } from '../../domain/connect/flow-status.ts';
import { deliveryMoves } from '../../domain/deliveries/delivery-status.ts';
import { integrationMoves } from '../../domain/integrations/integration-status.ts';
import { isMove, type Moves, sourcesOf } from '../../domain/moves.ts';
import { credentialMoves } from '../../domain/secrets/credential-status.ts';
import { rotationMoves } from '../../domain/secrets/rotation-phase.ts';

const tables: [string, Moves<string>, string, string[]][] = [
  [
    'build',
    buildMoves,
    'blocked',
    ['succeeded', 'failed', 'timed_out', 'canceled', 'superseded', 'declined', 'skipped'],
  ],
  ['cloud account', cloudAccountMoves, 'pending', ['deleted']],
  ['integration', integrationMoves, 'pending', ['deleted']],
  ['credential', credentialMoves, 'pending', ['purged']],
  ['rotation', rotationMoves, 'proving', ['done', 'rolled_back', 'rejected', 'uncertain', 'abandoned']],
  ['delivery', deliveryMoves, 'received', ['processed']],
  ['dispatch', dispatchMoves, 'intent', ['sent', 'refused']],
  ['flow', flowMoves, 'created', ['completed', 'rejected', 'expired', 'canceled', 'failed']],
];

test.each(tables)(
  'every status of a %s can be reached, and only the final ones lead nowhere',
  (_, moves, first, final) => {
    const reached = new Set([first]);
    for (const status of reached) for (const next of moves[status] ?? []) reached.add(next);
    expect([...reached].sort()).toEqual(Object.keys(moves).sort());
    expect(
      Object.keys(moves)
        .filter((status) => moves[status]?.length === 0)
        .sort(),
    ).toEqual([...final].sort());
    for (const [status, followers] of Object.entries(moves)) expect(followers).not.toContain(status);
  },
);

test('never undoes a deletion, and never sends a dispatch twice', () => {
  expect(sourcesOf(integrationMoves, 'active')).not.toContain('deleting');
  expect(integrationMoves.deleting).toEqual(['deleted']);
  expect(isMove(dispatchMoves, 'unknown', 'sending')).toBe(false);
  expect(isMove(dispatchMoves, 'sent', 'sending')).toBe(false);
  expect(sourcesOf(dispatchMoves, 'sending')).toEqual(['intent']);
});

test('an uncertain build has not ended, and cannot be dispatched', () => {
  expect(isFinalBuildStatus('uncertain')).toBe(false);
  expect(isMove(buildMoves, 'uncertain', 'dispatching')).toBe(false);
  expect(isMove(buildMoves, 'uncertain', 'running')).toBe(true);
});

test('completes or rejects a flow only when an installation can be proven, and never cancels it while its code is pending', () => {
  for (const end of ['completed', 'rejected'] as const) {
    expect(sourcesOf(flowMoves, end)).toEqual(['install_pending', 'awaiting_approval']);
  }
  expect(isMove(flowMoves, 'code_received', 'canceled')).toBe(false);
  expect(sourcesOf(flowMoves, 'app_created')).toEqual(['code_received']);
});

test('restores an old credential only while it is valid, and never uses a rejected one', () => {
  expect(sourcesOf(credentialMoves, 'active')).toEqual(['pending', 'uncertain', 'retiring']);
  expect(sourcesOf(rotationMoves, 'rolling_back')).toEqual(['overlapping']);
  expect(rotationMoves.rejected).toEqual([]);
});
