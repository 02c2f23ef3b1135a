import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { findBuildId } from '../../../domain/builds/workflow-inputs.ts';
import { isZeroSha, readGitHubEvent } from '../../../domain/deliveries/github-events.ts';
import { isId, newId } from '../../../domain/ids.ts';
import { fc } from '../../support/properties.ts';

type Example = { name: string; examples: Record<string, unknown>[] };
const examples = createRequire(import.meta.url)('@octokit/webhooks-examples') as Example[];
const of = (name: string) => examples.find((example) => example.name === name)?.examples ?? [];

test('parses every example that GitHub publishes', () => {
  const read = examples.flatMap(({ name, examples }) => examples.map((payload) => readGitHubEvent(name, payload)));
  expect(read).toHaveLength(329);
  expect(read.filter(({ kind }) => kind === 'malformed')).toEqual([]);
  const count = (kind: string) => read.filter((event) => event.kind === kind).length;
  expect([count('push'), count('pull_request'), count('workflow_run')]).toEqual([7, 29, 5]);
});

test('distinguishes branches from tags, and deletions from commits', () => {
  const events = of('push').map((payload) => readGitHubEvent('push', payload));
  const kinds = events.map((event) =>
    event.kind === 'push' ? `${event.refType}${event.deleted ? ' deleted' : ''}` : '',
  );
  expect(kinds.filter((kind) => kind.startsWith('branch'))).toHaveLength(2);
  expect(kinds.filter((kind) => kind.startsWith('tag'))).toHaveLength(5);
  expect(isZeroSha('0'.repeat(40)) && isZeroSha('0'.repeat(64))).toBe(true);
  expect(isZeroSha('0'.repeat(41))).toBe(false);
});

test('builds the commit of an annotated tag, not the tag object', () => {
  const payload = {
    ref: 'refs/tags/v1',
    after: 'b'.repeat(40),
    before: '0'.repeat(40),
    head_commit: { id: 'c'.repeat(40), message: 'x' },
    repository: { id: 1 },
  };
  expect(readGitHubEvent('push', payload)).toMatchObject({ refType: 'tag', headSha: 'c'.repeat(40) });
});

test('rejects a push whose ref has no name, or whose tag points at no commit', () => {
  const read = (change: object) =>
    readGitHubEvent('push', { ref: 'refs/tags/v1', after: 'b'.repeat(40), repository: { id: 1 }, ...change });
  expect(read({ ref: 'refs/tags/' }).kind).toBe('malformed');
  expect(read({ ref: 'refs/heads/' }).kind).toBe('malformed');
  expect(read({ ref: 'refs/notes/x' }).kind).toBe('malformed');
  expect(read({ head_commit: { id: '../x' } })).toMatchObject({ headSha: 'b'.repeat(40) });
  expect(read({ head_commit: null })).toMatchObject({ headSha: 'b'.repeat(40) });
});

test('treats a push to no commit as a deletion, with SHA-1 and SHA-256, regardless of its flag', () => {
  for (const after of ['0'.repeat(40), '0'.repeat(64)]) {
    const payload = { ref: 'refs/heads/main', after, deleted: false, repository: { id: 1 } };
    expect(readGitHubEvent('push', payload)).toMatchObject({ deleted: true });
  }
});

test('treats a pull request as a fork’s if its head is in another repository or deleted', () => {
  type End = { repo: { id: number } | null };
  const [payload] = of('pull_request') as [{ pull_request: { head: End; base: End } }];
  const read = (head: End['repo'], base = payload.pull_request.base.repo) => {
    const changed = structuredClone(payload);
    changed.pull_request.head.repo = head;
    changed.pull_request.base.repo = base;
    return readGitHubEvent('pull_request', changed);
  };
  expect(readGitHubEvent('pull_request', payload)).toMatchObject({ fork: false });
  expect(read({ id: 1 })).toMatchObject({ fork: true });
  expect(read(null)).toMatchObject({ fork: true });
  // What counts is the repository that the event is about: that is where its build would be dispatched.
  expect(read({ id: 1 }, { id: 1 })).toMatchObject({ fork: true });
  expect(read(payload.pull_request.base.repo, null)).toMatchObject({ fork: false });
});

test('never throws for any payload', () => {
  const names = fc.constantFrom('push', 'pull_request', 'workflow_run', 'installation', 'repository', 'ping', 'x');
  fc.assert(
    fc.property(names, fc.jsonValue(), (name, payload) => {
      expect(readGitHubEvent(name, payload).kind).toBeTypeOf('string');
    }),
  );
  expect(readGitHubEvent('push', { ref: 'refs/heads/main', after: '../x', repository: { id: 1 } }).kind).toBe(
    'malformed',
  );
  expect(readGitHubEvent('push', { repository: { id: '1' } }).kind).toBe('malformed');
});

test('finds one build or none in the name of a run', () => {
  const [one, other] = [newId('bld'), newId('bld')];
  expect(findBuildId(`Build ${one}`)).toBe(one);
  expect(findBuildId(`${one} ${one}`)).toBe(one);
  expect(findBuildId(`${one} ${other}`)).toBeUndefined();
  expect(findBuildId(`x${one}`)).toBeUndefined();
  expect(findBuildId(`${one}0`)).toBeUndefined();
  expect(findBuildId('deploy')).toBeUndefined();
});

test('ids sort by creation, and have the prefix of their kind', () => {
  const ids = Array.from({ length: 10_000 }, () => newId('dlv'));
  expect([...ids].sort()).toEqual(ids);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.every((id) => isId('dlv', id))).toBe(true);
  expect(isId('bld', ids[0] ?? '')).toBe(false);
});
