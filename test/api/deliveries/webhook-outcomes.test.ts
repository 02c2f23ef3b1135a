import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { expect, test } from 'vitest';

/**
 * Checks the table of outcomes without the product: each row follows from the payload by plain rules that share no code
 * with the product. `webhook-examples.test.ts` then compares the product with the table.
 */
type Payload = {
  action?: string;
  ref?: string;
  after?: string;
  installation?: { id: number };
  head_commit?: { message: string } | null;
  pull_request?: { base: { ref: string; repo: { id: number } }; head: { repo: { id: number } | null } };
};
type Example = { name: string; examples: Payload[] };
const examples = createRequire(import.meta.url)('@octokit/webhooks-examples') as Example[];
const payloads = examples.flatMap(({ name, examples: all }) => all.map((payload) => ({ name, payload })));
const file = path.join(import.meta.dirname, '..', '..', 'fixtures', 'webhook-outcomes.json');
const table = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string[]>;

function expected(name: string, payload: Payload): string {
  if (['push', 'pull_request', 'workflow_run'].includes(name)) {
    // The hook of a repository or an organization sent it: an App's webhook names its installation.
    if (!payload.installation) return 'ignored installation_missing';
    if (name === 'workflow_run') return 'ignored run_unknown';
    const [everything, main, pulls] = name === 'push' ? ofPush(payload) : ofPullRequest(payload);
    const builds = [everything, main, pulls].includes('build matched');
    const delivery = builds ? 'builds_created' : 'no_pipeline_matched';
    return `processed ${delivery}; everything: ${everything}; main: ${main}; pulls: ${pulls}`;
  }
  if (name === 'repository' || name.startsWith('installation')) return 'processed sync_requested';
  // Fairlead stores no person's authorization that could be revoked.
  if (name === 'github_app_authorization') return 'processed nothing_kept';
  if (/^check_(run|suite)$/.test(name) && payload.action === 'rerequested') {
    // The checks belong to App 2. The suites belong to our App, but their repository is in installation 1 instead of
    // the named one.
    return name === 'check_run' ? 'ignored check_of_another_app' : 'ignored installation_mismatch';
  }
  if (name === 'ping') return 'ignored ping';
  return name === 'create' || name === 'delete' ? 'ignored ref_event' : 'ignored event_not_consumed';
}

/** For each pipeline: all events and refs, pushes of `main` and `release/**`, pull requests against `master`. */
function ofPush({ ref = '', after = '' }: Payload): [string, string, string] {
  const unselected = 'skipped event_not_selected';
  if (Number(after) === 0) return ['skipped ref_deleted', unselected, unselected];
  if (ref.includes('/tags/')) return ['build matched', unselected, unselected];
  const main = ref === 'refs/heads/main' || ref.startsWith('refs/heads/release/');
  return ['build matched', main ? 'build matched' : 'skipped branch_not_matched', unselected];
}

function ofPullRequest({ action = '' }: Payload): [string, string, string] {
  const outcome = /^(opened|reopened|synchronize)$/.test(action) ? 'build matched' : 'skipped action_not_building';
  return [outcome, 'skipped event_not_selected', outcome];
}

test('every row of the table follows from its payload', () => {
  const rows: Record<string, string[]> = {};
  for (const { name, payload } of payloads) rows[name] = [...(rows[name] ?? []), expected(name, payload)];
  expect(table).toEqual(rows);
  expect(Object.values(table).flat()).toHaveLength(329);
});

test('the table has exactly fourteen builds', () => {
  const text = Object.values(table).flat().join('\n');
  const builds = (pipeline: string) => text.split(`${pipeline}: build matched`).length - 1;
  // Two branches were pushed. Three pull requests were opened, two reopened, and one got new commits.
  expect([builds('everything'), builds('main'), builds('pulls')]).toEqual([2 + 6, 0, 6]);
});

test('the examples are the ones that the table was written for', () => {
  const digest = createHash('sha256');
  const seen = new Map<string, string>();
  const repeated: string[] = [];
  for (const { name, payload } of payloads) {
    const body = JSON.stringify(payload);
    digest.update(`${name}\n${body}\n`);
    if (seen.has(body)) repeated.push(name);
    seen.set(body, name);
  }
  expect(digest.digest('hex')).toBe('fd88dc8d03b70ce3c9bb9b91eb1419be52df71dc5a90a096a67a5ea0f27bf28d');
  // None of them triggers builds, so a repeated body is another delivery and not a duplicate.
  expect(repeated).toEqual(['github_app_authorization', 'membership', 'organization', 'org_block', 'sponsorship']);
});

test('the examples contain no case that the rules above leave out', () => {
  const of = (name: string) => payloads.filter((one) => one.name === name).map(({ payload }) => payload);
  // A fork, another base, a marker, the deletion of a branch.
  for (const { pull_request: pull } of of('pull_request')) {
    expect(pull?.head.repo?.id).toBe(pull?.base.repo.id);
    expect(pull?.base.ref).toBe('master');
  }
  for (const { ref, after, head_commit: head } of of('push')) {
    expect(head?.message ?? '').not.toMatch(/\[|skip-checks/);
    if (Number(after) === 0) expect(ref).toMatch(/^refs\/tags\//);
  }
});
