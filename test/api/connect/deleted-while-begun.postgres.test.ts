import { expect, test } from 'vitest';
import { pause, useDeletionScene } from '../../support/scenes/deletion-scene.ts';

// Two transactions hold locks at the same time. SQLite has one writer, so this cannot happen there.

const scene = useDeletionScene();

test('deletes an integration that is bound just before its project is deleted', async () => {
  const { flow, steps, installation, find } = await scene.signedIn();
  await scene.database.write(async (trx) => {
    const times = { created_at: 1, updated_at: 1 };
    const known = { github_app_id: scene.app.id, external_id: installation.id };
    const is = { account_login: 'alice', account_id: 1, target_type: 'User', repository_selection: 'all' };
    await trx('installations').insert({ id: 'ins_held', ...known, ...is, permissions: '{}', events: '[]', ...times });
  });
  let binding: Promise<void> | undefined;
  let deletion: ReturnType<typeof scene.api.admin.send> | undefined;
  // The lock stops the binding in the middle of its transaction.
  await scene.database.write(async (trx) => {
    await trx('installations').where({ id: 'ins_held' }).forUpdate().first('id');
    binding = steps.bindInstallation({ flowId: flow.id });
    await pause();
    deletion = scene.api.admin.send('DELETE', `/v1/projects/${scene.owner.projectId}`);
    await Promise.race([deletion, pause()]);
  });
  await binding;
  expect(await deletion).toMatchObject({ status: 202 });
  expect(await find()).toMatchObject({ status: 'completed' });
  expect(await scene.integrations()).toEqual(['deleting']);
});
