import { expect, test } from 'vitest';
import { skipMarker } from '../../../domain/builds/skip-markers.ts';
import { decide, type TriggerEvent, type Triggers } from '../../../domain/builds/triggers.ts';
import type { PullRequestEvent, PushEvent } from '../../../domain/deliveries/github-events.ts';

const sha = 'a'.repeat(40);

function push(change: Partial<PushEvent> = {}): PushEvent {
  const refName = change.refName ?? 'main';
  const refType = change.refType ?? 'branch';
  return {
    kind: 'push',
    repositoryId: 1,
    ref: `refs/${refType === 'tag' ? 'tags' : 'heads'}/${refName}`,
    refType,
    refName,
    before: sha,
    after: sha,
    created: false,
    deleted: false,
    forced: false,
    headSha: sha,
    ...change,
  };
}

function pullRequest(change: Partial<PullRequestEvent> = {}): PullRequestEvent {
  return {
    kind: 'pull_request',
    repositoryId: 1,
    action: 'opened',
    number: 7,
    headSha: sha,
    headRef: 'feature',
    headRepositoryId: 1,
    baseRef: 'main',
    baseSha: sha,
    fork: false,
    draft: false,
    ...change,
  };
}

const all: Triggers = {
  events: ['push', 'tag', 'pull_request', 'manual'],
  branches: ['main', 'release/*'],
  tags: ['v*'],
};

function outcome(
  event: PushEvent | PullRequestEvent,
  change: { triggers?: Triggers; enabled?: boolean; auto?: boolean } = {},
) {
  const { triggers = all, enabled = true, auto = true } = change;
  const { outcome: what, reason } = decide({ enabled, triggers, appAutoDeploy: auto }, event);
  return `${what} ${reason}`;
}

test.each<[string, PushEvent | PullRequestEvent, Parameters<typeof outcome>[1], string]>([
  ['a push to a branch that matches', push(), {}, 'build matched'],
  ['a push to a branch behind a glob', push({ refName: 'release/1' }), {}, 'build matched'],
  ['a push elsewhere', push({ refName: 'topic' }), {}, 'skipped branch_not_matched'],
  ['a tag', push({ refType: 'tag', refName: 'v1' }), {}, 'build matched'],
  ['another tag', push({ refType: 'tag', refName: 'nightly' }), {}, 'skipped tag_not_matched'],
  ['a tag named as a branch', push({ refType: 'tag', refName: 'main' }), {}, 'skipped tag_not_matched'],
  ['a deleted branch', push({ deleted: true }), {}, 'skipped ref_deleted'],
  ['a pipeline that is off', push(), { enabled: false }, 'skipped pipeline_disabled'],
  ['an app that does not deploy by itself', push(), { auto: false }, 'skipped auto_deploy_off'],
  ['a push that is not selected', push(), { triggers: { ...all, events: ['tag'] } }, 'skipped event_not_selected'],
  [
    'a tag that is not selected',
    push({ refType: 'tag', refName: 'v1' }),
    { triggers: { ...all, events: ['push'] } },
    'skipped event_not_selected',
  ],
  ['a marker on the head commit', push({ message: 'docs [skip ci]' }), {}, 'skipped skip_marker'],
  [
    'a marker on a branch that does not match',
    push({ refName: 'x', message: '[skip ci]' }),
    {},
    'skipped branch_not_matched',
  ],
  ['no branches', push(), { triggers: { ...all, branches: [] } }, 'skipped branch_not_matched'],
  ['a pull request', pullRequest(), {}, 'build matched'],
  ['a pull request that got commits', pullRequest({ action: 'synchronize' }), {}, 'build matched'],
  ['a pull request that got a label', pullRequest({ action: 'labeled' }), {}, 'skipped action_not_building'],
  ['an action of tomorrow', pullRequest({ action: 'stacked' }), {}, 'skipped action_not_building'],
  ['a pull request against another base', pullRequest({ baseRef: 'topic' }), {}, 'skipped branch_not_matched'],
  ['a fork', pullRequest({ fork: true, headRepositoryId: 2 }), {}, 'blocked fork_pull_request'],
  [
    'pull requests not selected',
    pullRequest(),
    { triggers: { ...all, events: ['push'] } },
    'skipped event_not_selected',
  ],
])('%s', (_, event, change, expected) => {
  expect(outcome(event, change)).toBe(expected);
});

const events: TriggerEvent[] = ['push', 'tag', 'pull_request', 'manual'];
const refs = [
  { on: 'push', name: 'main' },
  { on: 'push', name: 'release/1' },
  { on: 'push', name: 'release/1/fix' },
  { on: 'tag', name: 'v1.0' },
  { on: 'tag', name: 'main' },
  { on: 'pull_request', name: 'main' },
  { on: 'pull_request', name: 'release/1' },
] as const;
/** Which of the names above each list takes, written out rather than matched. */
const lists: [globs: string[], takes: string[]][] = [
  [['**'], ['main', 'release/1', 'release/1/fix', 'v1.0']],
  [['*'], ['main', 'v1.0']],
  [['main'], ['main']],
  [['release/*'], ['release/1']],
  [['release/**', '!release/*/fix'], ['release/1']],
  [['v?.[0-9]'], ['v1.0']],
  [[], []],
];
const switches = [
  { enabled: true, auto: true, off: undefined },
  { enabled: false, auto: true, off: 'pipeline_disabled' },
  { enabled: true, auto: false, off: 'auto_deploy_off' },
  { enabled: false, auto: false, off: 'pipeline_disabled' },
];

test('each combination of event, globs and switch has one outcome', () => {
  let builds = 0;
  for (const { on, name } of refs)
    for (const selected of [...events.map((event) => [event]), events, []])
      for (const [globs, takes] of lists)
        for (const { enabled, auto, off } of switches) {
          const event =
            on === 'pull_request'
              ? pullRequest({ baseRef: name })
              : push({ refType: on === 'tag' ? 'tag' : 'branch', refName: name });
          // The other kind of list takes everything, so that only the right one can refuse.
          const triggers =
            on === 'tag'
              ? { events: selected, branches: ['**'], tags: globs }
              : { events: selected, branches: globs, tags: ['**'] };
          const unselected = selected.includes(on) ? undefined : 'event_not_selected';
          const unmatched = takes.includes(name) ? undefined : on === 'tag' ? 'tag_not_matched' : 'branch_not_matched';
          const against = off ?? unselected ?? unmatched;
          const expected = against ? `skipped ${against}` : 'build matched';
          if (!against) builds += 1;
          expect(outcome(event, { triggers, enabled, auto }), JSON.stringify({ on, name, triggers, off })).toBe(
            expected,
          );
        }
  // Of 7 × 6 × 7 × 4: each list's names among the refs, for the one event alone and for all of them.
  expect(builds).toBe(2 * (7 + 4 + 3 + 2 + 2 + 1));
});

test('stores the first of several reasons against a push', () => {
  const event = push({ refName: 'topic', deleted: true, message: '[skip ci]' });
  const none: Triggers = { ...all, events: [] };
  expect(outcome(event, { triggers: none, enabled: false, auto: false })).toBe('skipped pipeline_disabled');
  expect(outcome(event, { triggers: none, auto: false })).toBe('skipped auto_deploy_off');
  expect(outcome(event, { triggers: none })).toBe('skipped event_not_selected');
  expect(outcome(event)).toBe('skipped ref_deleted');
  expect(outcome({ ...event, deleted: false })).toBe('skipped branch_not_matched');
  expect(outcome({ ...event, deleted: false, refName: 'main' })).toBe('skipped skip_marker');
});

test('stores the first of several reasons against a pull request', () => {
  const event = pullRequest({ action: 'labeled', baseRef: 'topic', fork: true });
  expect(outcome(event, { triggers: { ...all, events: [] } })).toBe('skipped event_not_selected');
  expect(outcome(event)).toBe('skipped action_not_building');
  expect(outcome({ ...event, action: 'opened' })).toBe('skipped branch_not_matched');
  expect(outcome({ ...event, action: 'opened', baseRef: 'main' })).toBe('blocked fork_pull_request');
});

test('builds a draft like any pull request, and builds nothing when it becomes ready', () => {
  expect(outcome(pullRequest({ draft: true }))).toBe('build matched');
  expect(outcome(pullRequest({ action: 'ready_for_review' }))).toBe('skipped action_not_building');
});

test('dispatches a fork on the base branch, with the pull request’s own ref', () => {
  const decision = decide({ enabled: true, triggers: all, appAutoDeploy: true }, pullRequest({ fork: true }));
  expect(decision).toMatchObject({
    build: { dispatchRef: 'refs/heads/main', fairleadRef: 'refs/pull/7/head', sha, fork: true, pullRequest: 7 },
  });
});

test('dispatches a pull request from the same repository on its head', () => {
  const decision = decide({ enabled: true, triggers: all, appAutoDeploy: true }, pullRequest());
  expect(decision).toMatchObject({ build: { dispatchRef: 'refs/heads/feature', fairleadRef: 'refs/heads/feature' } });
});

test.each([
  ['Fix [skip ci]', '[skip ci]'],
  ['Fix [CI Skip] it', '[ci skip]'],
  ['[no ci]', '[no ci]'],
  ['x [skip actions]', '[skip actions]'],
  ['x [actions skip]', '[actions skip]'],
  ['Fix\n\nskip-checks: true', 'skip-checks: true'],
  ['Fix\n\nCo-authored-by: a\nSkip-Checks:true', 'skip-checks: true'],
  ['Fix\r\n\r\nSome text.\r\n\r\n\r\nskip-checks: true\r\n', 'skip-checks: true'],
  ['skip-checks: true', undefined],
  ['Fix\n\nskip-checks: true\n\nmore text', undefined],
  ['Fix skip ci', undefined],
  ['', undefined],
])('finds in the message %j the marker %s', (message, marker) => {
  expect(skipMarker(message)).toBe(marker);
});

test.each([
  ['tag', 'v1', 'refs/tags/v1'],
  ['branch', 'v1', 'refs/heads/v1'],
  ['branch', 'refs/heads/main', 'refs/heads/refs/heads/main'],
] as const)('dispatches the %s %s by its full ref', (refType, refName, dispatchRef) => {
  const triggers = { ...all, branches: ['**'], tags: ['**'] };
  const event = push({ refType, refName });
  expect(decide({ enabled: true, appAutoDeploy: true, triggers }, event)).toMatchObject({ build: { dispatchRef } });
});
