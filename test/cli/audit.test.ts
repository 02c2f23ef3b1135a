import { afterAll, beforeAll, expect, test } from 'vitest';
import { chainAudit } from '../../db/ops/audit-chain.ts';
import { adminToken } from '../support/api.ts';
import { type CommandsScene, commandsScene } from '../support/scenes/commands-scene.ts';

let scene: CommandsScene;
let orgId: string;

beforeAll(async () => {
  scene = await commandsScene();
  const { id } = await scene.api.admin.ask<{ id: string }>('POST', '/v1/orgs', { name: 'Audited' });
  orgId = id;
  for (const name of ['One', 'Two']) await scene.api.admin.ask('POST', '/v1/projects', { org_id: orgId, name });
  await chain();
});
afterAll(() => scene?.stop());

const chain = () => scene.api.database.write((trx) => chainAudit(trx));
const audit = (...args: string[]) =>
  scene.person().run('fairlead', ['audit', ...args], '', { FAIRLEAD_URL: scene.api.url, FAIRLEAD_TOKEN: adminToken });

test('fairlead audit verify prints the head, and fails if the log was cut or changed', async () => {
  const intact = await audit('verify', '--org', orgId);
  expect(intact).toMatchObject({ code: 0, stderr: '' });
  const [, head = ''] =
    /^The audit chain of org_\w+ is intact: 3 rows, head (3:tests\.\w+)\n$/.exec(intact.stdout) ?? [];
  expect(head).not.toBe('');
  expect(await audit('verify', '--org', orgId, '--head', head)).toMatchObject({ code: 0 });

  const later = head.replace('3:', '4:');
  expect(await audit('verify', '--org', orgId, '--head', later)).toMatchObject({
    code: 1,
    stdout: '',
    stderr: `fairlead: The audit chain of ${orgId} is not intact (cut at position 4): The chain is shorter than the head that was kept.\n`,
  });
  await scene.api.database.write((trx) =>
    trx('audit_events').where({ chain: orgId, sequence: 2 }).update({ actor: 'user:nobody' }),
  );
  const changed = await audit('verify', '--org', orgId);
  expect(changed.code).toBe(1);
  expect(changed.stderr).toMatch(/is not intact \(changed at position 2, event aud_\w+\): This row is not as/);
});

test('fairlead audit verify without --org checks the chain of the instance', async () => {
  expect((await audit('verify')).stdout).toMatch(/^The audit chain of the instance is intact: \d+ rows/);
});

test('fairlead audit reports a wrong call as a usage error', async () => {
  expect(await audit()).toMatchObject({ code: 2, stderr: expect.stringContaining('fairlead audit verify') });
  expect(await audit('verify', '--head', 'x')).toMatchObject({ code: 2, stderr: expect.stringContaining('--head') });
  expect(await audit('verify', '--org', 'prj_1')).toMatchObject({ code: 2, stderr: expect.stringContaining('--org') });
});
