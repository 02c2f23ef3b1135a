import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import { createBrowser } from '../support/browser.ts';
import { createClient } from '../support/client.ts';
import { isAlive, type Program, runProgram } from '../support/programs/processes.ts';
import { type BuildView, listBuilds } from '../support/scenes/platform.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'fairlead-demo-'));
const programs: Program[] = [];
/** The id of an app that a person added to the demo. */
let otherApp = '';

async function npmRunDemo() {
  const program = runProgram('npm', ['run', 'demo', '--', folder], {});
  programs.push(program);
  await program.line(/Ctrl-C stops everything/, 180_000);
  const output = program.output();
  const found = (pattern: RegExp) => pattern.exec(output)?.[1] ?? '';
  const api = found(/API +(http:\S+)/);
  const token = found(/export TOKEN=(\S+)/);
  return {
    program,
    output,
    client: createClient(api, token),
    connect: found(/(http:\S+github\/create\?\S+)/),
    repository: found(/Open (http:\S+) and click "Push/),
    temporalUi: found(/Temporal UI +(http:\S+)/),
    simulated: found(/Simulated GitHub +(http:\S+)/),
  };
}

const statuses = async (client: Parameters<typeof listBuilds>[0]) =>
  (await listBuilds(client)).map(({ status }: BuildView) => status);

afterEach(async () => {
  for (const program of programs.splice(0)) if (isAlive(program.pid)) await program.end('SIGTERM');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('connects, pushes and shows the finished build to a person who follows the demo', async () => {
  const { program, output, client, connect, repository, temporalUi, simulated } = await npmRunDemo();
  expect(output).toContain('GitHub and the registry are SIMULATED: nothing here is real');
  expect((await fetch(temporalUi)).status).toBe(200);
  const browser = createBrowser();
  expect(browser.read(await browser.visit(simulated))).toContain('Signed in as @octocat');

  // 1. Connect: what a person clicks, page by page.
  const form = await browser.press(await browser.follow(await browser.visit(connect)), 'Continue');
  const confirmation = await browser.press(form, /^Continue to/);
  const installing = await browser.follow(await browser.press(confirmation, 'Create GitHub App for @acme'));
  const authorizing = await browser.follow(await browser.press(installing, 'Install'));
  const done = await browser.follow(await browser.press(authorizing, /^Authorize/));
  expect(browser.read(done)).toContain('Connected');
  await program.line(/has its source now/, 30_000);

  // 2. Push. 3. See the build succeed.
  const page = await browser.visit(repository);
  await browser.press(page, 'Push a commit');
  await expect.poll(() => statuses(client), { timeout: 30_000 }).toEqual(['succeeded']);
  await expect
    .poll(async () => browser.read(await browser.visit(repository)))
    .toMatch(/deploy #1 Build bld_\S+ main .* success/);

  await program.end('SIGINT');
  await expect.poll(() => isAlive(program.pid)).toBe(false);
}, 300_000);

test('keeps the build and the connection at a second start, builds again and leaves other apps alone', async () => {
  const { output, client, connect, repository, program } = await npmRunDemo();
  expect(output).toContain('GitHub is connected already');
  expect(connect).toBe('');
  expect(await statuses(client)).toEqual(['succeeded']);
  await createBrowser().visit(`${repository}/simulated-push`, { form: { branch: 'main', message: 'Again' } });
  await expect.poll(() => statuses(client), { timeout: 30_000 }).toEqual(['succeeded', 'succeeded']);
  const project = /export PROJECT=(\S+)/.exec(output)?.[1];
  otherApp = (await client.ask<{ id: string }>('POST', `/v1/projects/${project}/apps`, { name: 'shop' })).id;
  await program.end('SIGTERM');
}, 300_000);

/** The printed commands of the demo, in one shell. */
function commandsOf(output: string, from: number, to: number): string {
  const steps = output.slice(output.indexOf(`\n${from}. `), output.indexOf(`\n${to}. `)).replaceAll('\\\n', ' ');
  const commands = steps.split('\n').filter((line) => /^ {5}(curl|export) /.test(line));
  return commands.map((command) => `${command}; echo`).join('\n');
}

test('gets a token, replaces a secret and deletes the integration with the printed commands', async () => {
  const { output, client, repository, program } = await npmRunDemo();
  const run = (from: number, to: number) =>
    execFileSync(
      'bash',
      ['-c', `export TOKEN=${/export TOKEN=(\S+)/.exec(output)?.[1]}\n${commandsOf(output, from, to)}`],
      {
        encoding: 'utf8',
      },
    );
  expect(output).not.toContain(otherApp);
  expect(await client.ask('GET', `/v1/apps/${otherApp}`)).toMatchObject({ registry: null, source: null });
  expect(run(3, 4)).toMatch(/"reason":"matched"/);
  expect(run(4, 5)).toMatch(/"token":"ghs_/);
  // The pushed manifest comes back, and the pull credential cannot push.
  expect(run(4, 6)).toMatch(/"mediaType":"application\/vnd\.oci\.image\.manifest\.v1\+json"[\s\S]*\n401\n\n$/);
  expect(run(6, 7)).toMatch(/"status":"succeeded"/);
  await createBrowser().visit(`${repository}/simulated-push`, { form: { branch: 'main', message: 'Rotated' } });
  await expect.poll(() => statuses(client), { timeout: 30_000 }).toEqual(Array(3).fill('succeeded'));

  const deleted = run(6, 8);
  expect(deleted).toMatch(/"outcome":"revoked"/);
  await createBrowser().visit(`${repository}/simulated-push`, { form: { branch: 'main', message: 'Deleted' } });
  expect(await client.ask('GET', '/v1/integrations?kind=github')).toEqual([]);
  expect(await client.ask('GET', '/v1/integrations')).toMatchObject([{ provider: 'oci', status: 'active' }]);
  await program.end('SIGTERM');
  const again = await npmRunDemo();
  expect(again.connect).toContain('/github/create?');
  await again.program.end('SIGTERM');
}, 300_000);
