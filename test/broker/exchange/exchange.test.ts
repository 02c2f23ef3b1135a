import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Wanted } from '../../../broker/exchange/git-tokens.ts';
import { CutOff } from '../../../broker/exchange/issuance.ts';
import { allIntegrations } from '../../../db/integrations/integrations.ts';
import { type ExchangeScene, exchangeScene, type SceneProject } from '../../support/scenes/exchange-scene.ts';

let scene: ExchangeScene;

beforeAll(async () => {
  scene = await exchangeScene();
});
afterAll(() => scene.stop());

const wantedBy = (mine: SceneProject): Wanted => ({
  issuer: { id: mine.integrationId, projectId: mine.projectId, epoch: 0 },
  orgId: mine.orgId,
  installationId: mine.installationId,
  repositoryIds: [mine.theirs.id],
  permissions: { contents: 'read' },
  buildId: null,
  alone: false,
});

/** Whatever takes an integration away without asking anybody to revoke anything. */
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

describe.each(cuts)('where the integration is %s', (_, cut) => {
  test('while a token is made, the token is revoked and given to nobody', async () => {
    const mine = await scene.project();
    scene.github.faults.add({ path: /access_tokens$/, kind: 'slow', delayMs: 300, times: 1 });
    const asked = scene.exchange.get(wantedBy(mine));
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

  test('after a token was made, nobody is given it any more', async () => {
    const mine = await scene.project();
    const wanted = wantedBy(mine);
    const minted = await scene.exchange.get(wanted);
    await expect(write((trx) => scene.exchange.claim(trx, wanted, minted))).resolves.toBe('good');
    await cut(mine);
    await expect(write((trx) => scene.exchange.claim(trx, wanted, minted))).resolves.toBe('cut_off');
    await scene.exchange.discard(minted);
    expect(scene.isAlive(minted.token)).toBe(false);
  });
});

test('a token is made once for a thousand who ask at once, and for nobody else', async () => {
  const [mine, other] = [await scene.project(), await scene.project()];
  const wanted = wantedBy(mine);
  const all = await Promise.all(Array.from({ length: 1_000 }, () => scene.exchange.get(wanted)));
  expect(new Set(all.map(({ token }) => token)).size).toBe(1);
  expect(mine.mints()).toHaveLength(1);
  const narrower = { ...wanted, permissions: { metadata: 'read' } };
  const [elsewhere, less] = [await scene.exchange.get(wantedBy(other)), await scene.exchange.get(narrower)];
  expect(new Set([all[0]?.token, elsewhere.token, less.token]).size).toBe(3);
});

test('a token that came too late and could not be revoked at once is revoked by the workflow', async () => {
  const mine = await scene.project();
  scene.github.faults.add({ path: /access_tokens$/, kind: 'slow', delayMs: 300, times: 1 });
  scene.github.faults.add({ path: /^\/installation\/token$/, kind: 'reset', times: 1 });
  const refused = expect(scene.exchange.get(wantedBy(mine))).rejects.toThrow(CutOff);
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

test('a token that cannot be remembered is revoked at once', async () => {
  const mine = await scene.project();
  const wanted = { ...wantedBy(mine), orgId: 'org_that_is_not_there' };
  await expect(scene.exchange.get(wanted)).rejects.toThrow();
  const made = [...scene.github.state.tokens.values()].filter(
    ({ installationId }) => installationId === mine.installation.id,
  );
  expect(made.map(({ revoked }) => revoked)).toEqual([true]);
});

test('that a token was made is written down as the integration’s own doing, whoever connected it', async () => {
  const mine = await scene.project();
  const issued = await scene.exchange.get(wantedBy(mine));
  const rows = await scene.database.reader('audit_events').where({ action: 'token.minted', target: issued.id });
  expect(rows).toMatchObject([
    { actor: `integration:${mine.integrationId}`, project_id: mine.projectId, outcome: 'succeeded' },
  ]);
  expect(JSON.stringify(rows)).not.toContain(issued.token);
});
