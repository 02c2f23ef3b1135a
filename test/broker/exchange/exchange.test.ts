import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { WantedGitToken } from '../../../broker/exchange/git-tokens.ts';
import { CutOff } from '../../../broker/exchange/minter.ts';
import { allIntegrations } from '../../../db/integrations/integrations.ts';
import { type ExchangeScene, exchangeScene, type SceneProject } from '../../support/scenes/exchange-scene.ts';

let scene: ExchangeScene;

beforeAll(async () => {
  scene = await exchangeScene();
});
afterAll(() => scene.stop());

const wantedBy = (mine: SceneProject): WantedGitToken => ({
  issuer: { id: mine.integrationId, projectId: mine.projectId, epoch: 0 },
  orgId: mine.orgId,
  installationId: mine.installationId,
  repositoryIds: [mine.theirs.id],
  permissions: { contents: 'read' },
  buildId: null,
  alone: false,
});

/** The ways to take away an integration without a revocation. */
const cuts: [string, (mine: SceneProject) => Promise<unknown>][] = [
  ['suspended', (mine) => write((trx) => allIntegrations(trx).moveStatus(mine.integrationId, 'suspended'))],
  ['deleting', (mine) => write((trx) => allIntegrations(trx).moveStatus(mine.integrationId, 'deleting'))],
  [
    'cut off and back',
    (mine) => write((trx) => trx('integrations').where({ id: mine.integrationId }).update({ epoch: 1 })),
  ],
  [
    'taken from the project',
    (mine) => write((trx) => trx('integrations').where({ id: mine.integrationId }).update({ project_id: null })),
  ],
];

function write<Result>(work: Parameters<typeof scene.database.write<Result>>[0]): Promise<Result> {
  return scene.database.write(work);
}

describe.each(cuts)('when the integration is %s', (_, cut) => {
  test('while a token is being minted, the token is revoked and no caller gets it', async () => {
    const mine = await scene.project();
    scene.github.faults.add({ path: /access_tokens$/, kind: 'slow', delayMs: 300, times: 1 });
    const asked = scene.gitTokens.mint(wantedBy(mine));
    const refused = expect(asked).rejects.toThrow(CutOff);
    await expect.poll(() => mine.mints().length).toBe(1);
    await cut(mine);
    await refused;
    const made = [...scene.github.state.tokens.values()].filter(
      ({ installationId }) => installationId === mine.installation.id,
    );
    expect(made.map(({ revoked }) => revoked)).toEqual([true]);
    const kept = await scene.database.reader('minted_tokens').where({ integration_id: mine.integrationId });
    expect(kept.map(({ sealed }) => sealed)).toEqual([null]);
  });

  test('after a token was minted, no caller gets it', async () => {
    const mine = await scene.project();
    const wanted = wantedBy(mine);
    const minted = await scene.gitTokens.mint(wanted);
    await expect(write((trx) => scene.gitTokens.claim(trx, wanted, minted))).resolves.toBe('good');
    await cut(mine);
    await expect(write((trx) => scene.gitTokens.claim(trx, wanted, minted))).resolves.toBe('cut_off');
    await scene.gitTokens.discard(minted);
    expect(scene.isAlive(minted.token)).toBe(false);
  });
});

test('mints one token for a thousand concurrent callers, and none for others', async () => {
  const [mine, other] = [await scene.project(), await scene.project()];
  const wanted = wantedBy(mine);
  const all = await Promise.all(Array.from({ length: 1_000 }, () => scene.gitTokens.mint(wanted)));
  expect(new Set(all.map(({ token }) => token)).size).toBe(1);
  expect(mine.mints()).toHaveLength(1);
  const narrower = { ...wanted, permissions: { metadata: 'read' } };
  const [elsewhere, less] = [await scene.gitTokens.mint(wantedBy(other)), await scene.gitTokens.mint(narrower)];
  expect(new Set([all[0]?.token, elsewhere.token, less.token]).size).toBe(3);
});

test('leaves a late token that cannot be revoked at once to the workflow', async () => {
  const mine = await scene.project();
  scene.github.faults.add({ path: /access_tokens$/, kind: 'slow', delayMs: 300, times: 1 });
  scene.github.faults.add({ path: /^\/installation\/token$/, kind: 'reset', times: 1 });
  const refused = expect(scene.gitTokens.mint(wantedBy(mine))).rejects.toThrow(CutOff);
  await expect.poll(() => mine.mints().length).toBe(1);
  await write((trx) => allIntegrations(trx).moveStatus(mine.integrationId, 'deleting'));
  await refused;
  const alive = () =>
    [...scene.github.state.tokens.values()].filter(
      ({ installationId, revoked }) => installationId === mine.installation.id && !revoked,
    );
  expect(alive()).toHaveLength(1);
  await scene.revokeAll();
  expect(alive()).toEqual([]);
});

test('revokes a token at once if it cannot be stored', async () => {
  const mine = await scene.project();
  const wanted = { ...wantedBy(mine), orgId: 'org_that_is_not_there' };
  await expect(scene.gitTokens.mint(wanted)).rejects.toThrow();
  const made = [...scene.github.state.tokens.values()].filter(
    ({ installationId }) => installationId === mine.installation.id,
  );
  expect(made.map(({ revoked }) => revoked)).toEqual([true]);
});

test('records the minting as an act of the integration, not of the person who connected it', async () => {
  const mine = await scene.project();
  const issued = await scene.gitTokens.mint(wantedBy(mine));
  const rows = await scene.database.reader('audit_events').where({ action: 'token.minted', target: issued.id });
  expect(rows).toMatchObject([
    { actor: `integration:${mine.integrationId}`, project_id: mine.projectId, outcome: 'succeeded' },
  ]);
  expect(JSON.stringify(rows)).not.toContain(issued.token);
});
