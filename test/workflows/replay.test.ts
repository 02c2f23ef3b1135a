import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Worker } from '@temporalio/worker';
import { DeterminismViolationError } from '@temporalio/workflow';
import { describe, expect, test } from 'vitest';
import { temporal } from '../support/temporal.ts';

type HistoryEvent = { activityTaskScheduledEventAttributes?: { activityType: { name: string } } };
type History = { events: HistoryEvent[] };

const folder = path.join(import.meta.dirname, '../fixtures/histories');
const names = readdirSync(folder).filter((name) => name.endsWith('.json'));

function read(name: string): History {
  return JSON.parse(readFileSync(path.join(folder, name), 'utf8'));
}

async function replay(history: History): Promise<void> {
  await Worker.runReplayHistory({ workflowBundle: temporal() }, history);
}

describe('the current workflows', () => {
  test.each(names)('replay the recorded history %s', async (name) => {
    await replay(read(name));
  });

  test.each([
    ['connect-github-completed.json', 'bindInstallation'],
    ['delete-integration-revoked.json', 'sendDispatch'],
    ['dispatch-build-succeeded.json', 'reportBuild'],
    ['reconcile-app-compared.json', 'sendDispatch'],
    ['recover-deliveries-gaps.json', 'finishRecovery'],
    ['refresh-installation-read.json', 'beginSync'],
    ['report-build-told-again.json', 'sendDispatch'],
    ['revoke-token-confirmed.json', 'giveUpRevocation'],
    ['rotate-credential-key.json', 'settleVersion'],
    ['sync-installations-done.json', 'finishSync'],
    ['verify-integration-active.json', 'giveUpVerification'],
  ])('fail to replay %s with another activity', async (name, another) => {
    const history = read(name);
    const first = history.events.find((event) => event.activityTaskScheduledEventAttributes);
    const activityType = first?.activityTaskScheduledEventAttributes?.activityType;
    if (!activityType) throw new Error('It has no activity');
    expect(activityType.name).not.toBe(another);
    activityType.name = another;
    await expect(replay(history)).rejects.toThrow(DeterminismViolationError);
  });

  test('have at least these recorded histories', () => {
    expect(names).toEqual(
      expect.arrayContaining([
        'check-registries.json',
        'connect-github-approved.json',
        'connect-github-completed.json',
        'connect-github-phases.json',
        'connect-github-rejected.json',
        'connect-github-witnessed.json',
        'delete-integration-own-phases.json',
        'delete-integration-phases.json',
        'delete-integration-revoked.json',
        'delete-integration-unconfirmed.json',
        'dispatch-build-canceled.json',
        'dispatch-build-own-phases.json',
        'dispatch-build-phases.json',
        'dispatch-build-succeeded.json',
        'dispatch-build-told-while-searching.json',
        'dispatch-build-uncertain-then-found.json',
        'reconcile-app-compared.json',
        'reconcile-app-rejected.json',
        'reconcile.json',
        'recover-all-deliveries.json',
        'recover-deliveries-done.json',
        'recover-deliveries-gaps.json',
        'recover-deliveries-rejected.json',
        'recover-deliveries-rested.json',
        'refresh-installation-read.json',
        'refresh-installation-refused.json',
        'report-build-own-phases.json',
        'report-build-phases.json',
        'report-build-told-again.json',
        'revoke-token-confirmed.json',
        'revoke-token-given-up.json',
        'rotate-credential-phases.json',
        'rotate-signing-keys.json',
        'sync-installations-done.json',
        'sync-installations-long.json',
        'sync-installations-phases.json',
        'sync-installations-rejected.json',
        'sync-installations-troubled.json',
        'verify-integration-active.json',
        'verify-integration-doubted.json',
        'verify-integration-gone.json',
        'verify-integration-replaced-during-check.json',
        'verify-integration-unanswered.json',
      ]),
    );
  });
});
