import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { allBuildEvents } from '../../../db/builds/build-events.ts';
import { type BuildStatus, buildStatuses, isFinalBuildStatus } from '../../../domain/builds/build-status.ts';
import { startReportScene } from '../../support/scenes/report-scene.ts';

let scene: Awaited<ReturnType<typeof startReportScene>>;

beforeAll(async () => {
  scene = await startReportScene();
});
afterEach(() => scene.github.faults.clear());
afterAll(() => scene?.close());

const checkRuns = /\/check-runs/;

describe('a build at GitHub', () => {
  const shown: Record<BuildStatus, [check: string, commit: string | undefined]> = {
    blocked: ['action_required', undefined],
    queued: ['queued', 'pending'],
    dispatching: ['queued', 'pending'],
    uncertain: ['queued', 'pending'],
    running: ['in_progress', 'pending'],
    succeeded: ['success', 'success'],
    failed: ['failure', 'failure'],
    timed_out: ['timed_out', 'error'],
    canceled: ['cancelled', 'error'],
    superseded: ['cancelled', 'error'],
    declined: ['neutral', undefined],
    skipped: ['skipped', undefined],
  };

  test.each([...buildStatuses])('shows the status %s', async (status) => {
    const build = await scene.newBuild();
    const finishedAt = isFinalBuildStatus(status) ? Date.now() : null;
    await scene.put(build, status, { finished_at: finishedAt });
    await scene.report(build);

    const [check, ...others] = scene.checksOf(build);
    expect(others).toEqual([]);
    expect(check).toMatchObject({ name: build.pipeline.statusContext, headSha: scene.sha });
    expect(check?.conclusion ?? check?.status).toBe(shown[status][0]);
    expect(scene.statusesOf(build)).toEqual([shown[status][1]].filter((state) => state !== undefined));
    expect(await scene.now(build)).toMatchObject({ checkRunId: check?.id, checkStatus: status });
    expect(scene.github.violations).toEqual([]);
  });

  test('has one check run, which follows the build’s status', async () => {
    const build = await scene.newBuild();
    for (const status of ['dispatching', 'running', 'succeeded'] as const) {
      await scene.put(build, status, { run_url: 'https://github.com/octo/r/actions/runs/7' });
      await scene.report(build);
      await scene.report(build);
    }
    expect(scene.checkRequests(build)).toEqual(['queued', 'in_progress', 'success']);
    expect(scene.checksOf(build)).toMatchObject([{ detailsUrl: 'https://github.com/octo/r/actions/runs/7' }]);
  });

  test('is reported with the App’s token, never with a person’s', async () => {
    const build = await scene.newBuild({}, { environment: 'staging' });
    await scene.put(build, 'running', { run_id: 7 });
    await scene.report(build);
    const told = scene.github.requests({ path: /\/(check-runs|statuses|deployments)/ });
    expect(told.length).toBeGreaterThan(4);
    expect(told.map(({ authorization }) => authorization?.slice(0, 10)).filter((one) => one !== 'token ghs_')).toEqual(
      [],
    );
  });

  test('shows text from other people as plain text', async () => {
    const build = await scene.newBuild({ refName: '<img src=x>' });
    const detail = '[a link](https://evil.example) <script> @octocat ![x](y) `code`\n# Title';
    await scene.put(build, 'failed', { detail, run_url: 'javascript:alert(1)' });
    await scene.report(build);
    const [check] = scene.checksOf(build);
    expect(check?.output.summary).not.toMatch(/<|>|@|(^|[^\\])[[\]`!]|https:|(^|\n)#/);
    expect(check?.output.summary).toContain('octocat');
    expect(check?.detailsUrl).toBeNull();
    expect(scene.github.state.statuses.at(-1)?.targetUrl).toBeNull();
  });
});

describe('a check run whose creation got no response', () => {
  test('is found by the build’s ID, and not created again', async () => {
    const build = await scene.newBuild();
    await scene.put(build, 'running');
    scene.github.faults.add({ method: 'POST', path: checkRuns, kind: 'lost_answer', times: 1 });
    await expect(scene.report(build)).rejects.toMatchObject({ nonRetryable: false });
    expect(scene.checksOf(build)).toHaveLength(1);
    expect(scene.statusesOf(build)).toEqual(['pending']);

    await scene.report(build);
    expect(scene.checksOf(build)).toHaveLength(1);
    expect(scene.statusesOf(build)).toEqual(['pending']);
    expect(await scene.now(build)).toMatchObject({ checkRunId: scene.checksOf(build)[0]?.id, checkStatus: 'running' });
  });

  test('is not confused with another App’s check run with the same ID', async () => {
    const build = await scene.newBuild();
    await scene.put(build, 'running');
    await scene.report(build);
    const [ours] = scene.checksOf(build);
    if (!ours) throw new Error('no check run');
    const other = await scene.newBuild();
    await scene.put(other, 'running');
    const forged = { ...ours, id: ours.id + 500, appId: ours.appId + 1, externalId: other.id };
    scene.github.state.checkRuns.set(forged.id, { ...forged, name: other.pipeline.statusContext ?? '' });
    await scene.report(other);
    expect((await scene.now(other)).checkRunId).not.toBe(forged.id);
    expect(scene.checksOf(other).filter(({ appId }) => appId === ours.appId)).toHaveLength(1);
  });
});

describe('without the permission to write checks', () => {
  test('only the commit status is reported, and no check run is requested', async () => {
    const build = await scene.newBuild();
    await scene.put(build, 'failed');
    await permit({ checks: 'read' });
    const before = scene.github.ledger.length;
    await scene.report(build);
    await permit({ checks: 'write' });
    expect(scene.statusesOf(build)).toEqual(['failure']);
    expect(scene.checksOf(build)).toEqual([]);
    expect(scene.github.ledger.slice(before).filter(({ path }) => checkRuns.test(path))).toEqual([]);
  });

  test('that GitHub has just revoked, only the commit status is reported', async () => {
    const build = await scene.newBuild();
    await scene.put(build, 'succeeded');
    const body = { message: 'Resource not accessible by integration' };
    scene.github.faults.add({ path: checkRuns, kind: 'status', status: 403, body });
    await scene.report(build);
    expect(scene.statusesOf(build)).toEqual(['success']);
    const { items } = await allBuildEvents(scene.database.reader).list(build.id, { limit: 5 });
    expect(items[0]).toMatchObject({ type: 'report_refused', detail: { code: 'permission_missing', part: 'check' } });
  });

  async function permit(changes: Record<string, string>): Promise<void> {
    const permissions = JSON.stringify({ ...scene.installation.permissions, ...changes });
    await scene.database.write((trx) =>
      trx('installations').where({ id: scene.installationId }).update({ permissions }),
    );
  }
});

test('the check run is reported even if GitHub rejects the commit status', async () => {
  const build = await scene.newBuild();
  await scene.put(build, 'succeeded');
  const body = { message: 'Resource not accessible by integration' };
  scene.github.faults.add({ path: /\/statuses\//, kind: 'status', status: 403, body });
  await expect(scene.report(build)).rejects.toMatchObject({ type: 'permission_missing', nonRetryable: true });
  expect(scene.checksOf(build)).toMatchObject([{ conclusion: 'success' }]);
});
