import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { connectActivities } from '../../../activities/connect/connect.ts';
import { createGitHubConnector } from '../../../broker/connect/github-connect.ts';
import { createGuardedFetch } from '../../../providers/egress/guarded-fetch.ts';
import type { GitHubStandIn } from '../../../stand-ins/github/stand-in.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { startGitHub } from '../../support/github.ts';
import { keyring } from '../../support/hooks.ts';
import { flowRows } from '../../support/scenes/connect-flow.ts';
import { addOperatorApp } from '../../support/scenes/operator-app.ts';
import { seed } from '../../support/scenes/seed.ts';

let database: TestDatabase;
let github: GitHubStandIn;
/** The requested lists, page by page. */
let asked: string[] = [];
let onAsked = () => {};

/** A server that poses as GitHub and always has another page. */
const endless = createServer((request, response) => {
  const url = new URL(request.url ?? '', 'http://endless');
  const page = Number(url.searchParams.get('page'));
  asked.push(url.pathname.split('/').at(-1) ?? '');
  onAsked();
  const installations = Array.from({ length: 100 }, (_, at) => ({
    id: page * 100 + at,
    app_id: 1,
    account: { id: page * 100 + at, login: 'acme', type: 'Organization' },
    target_type: 'Organization',
    repository_selection: 'all',
    permissions: {},
    events: [],
    suspended_at: null,
    html_url: 'https://x.example',
  }));
  response.writeHead(200, { 'content-type': 'application/json', link: `<x?page=${page + 1}>; rel="next"` });
  response.end(JSON.stringify(url.pathname.endsWith('/installations') ? installations : []));
});

beforeAll(async () => {
  [database, github] = await Promise.all([openTestDatabase(), startGitHub()]);
  await new Promise<void>((resolve) => endless.listen(0, '127.0.0.1', resolve));
});

beforeEach(() => {
  asked = [];
  onAsked = () => {};
});

afterAll(async () => {
  endless.close().closeAllConnections();
  await github?.close();
  await database?.drop();
});

/** Creates a flow whose request an owner may have approved. */
async function waiting() {
  const origin = `http://127.0.0.1:${(endless.address() as AddressInfo).port}`;
  const app = await addOperatorApp(database, github, { hostUrl: origin });
  await database.write((trx) => trx('github_apps').where({ id: app.id }).update({ api_url: origin }));
  const rows = flowRows(database, github);
  const flow = await rows.installing(await seed(database).org(), app.id);
  await rows.move(flow.id, 'awaiting_approval');
  const known = { github_user_id: 6_001, requested_account: 1 };
  await database.write((trx) => trx('connect_flows').where({ id: flow.id }).update(known));
  const fetch = createGuardedFetch({ allowedHosts: [{ origin }], timeoutMs: 10_000, maxBytes: 1_000_000 });
  const connector = createGitHubConnector({ database, keyring, fetch });
  const environment = new MockActivityEnvironment();
  const { lookForApproval } = connectActivities({ database, keyring, connector });
  const look = environment.run(lookForApproval as never, { flowId: flow.id } as never);
  return { environment, look };
}

const pages = (of: string) => asked.filter((one) => one === of).length;

test('stops reading an endless list of installations', async () => {
  const { look } = await waiting();
  expect(await look).toEqual({ outcome: 'gone' });
  expect(pages('installation-requests')).toBe(20);
  expect(pages('installations')).toBe(100);
}, 60_000);

test.each(['installation-requests', 'installations'])(
  'stops reading %s when its activity is canceled',
  async (list) => {
    const { environment, look } = await waiting();
    const ended = expect(look).rejects.toMatchObject({ name: 'CancelledFailure' });
    onAsked = () => {
      if (pages(list) === 3) environment.cancel('TIMED_OUT' as never);
    };
    await ended;
    expect(pages(list)).toBe(3);
  },
);
