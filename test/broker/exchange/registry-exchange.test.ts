import { createPublicKey } from 'node:crypto';
import { decodeJwt } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { issuerSubject } from '../../../broker/clouds/oidc-issuer.ts';
import type { ImageCredential, WantedImageCredential } from '../../../broker/exchange/image-credentials.ts';
import { CutOff, TooShortLived } from '../../../broker/exchange/minter.ts';
import { deleteIntegration } from '../../../db/deletion/integration-deletion.ts';
import { findIssuer } from '../../../db/exchange/issuers.ts';
import { ProviderError } from '../../../providers/failure.ts';
import { type AwsStandIn, startAws } from '../../../stand-ins/aws/stand-in.ts';
import { type AzureStandIn, startAzure } from '../../../stand-ins/azure/stand-in.ts';
import { insertApp, insertRegistry } from '../../../stand-ins/azure/state.ts';
import { type GoogleStandIn, startGoogle } from '../../../stand-ins/google/stand-in.ts';
import { type RegistryStandIn, startRegistry } from '../../../stand-ins/registry/stand-in.ts';
import { publicUrl } from '../../support/api.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { cloudsAt } from '../../support/fakes/clouds.ts';
import { loopbackCertificate } from '../../support/programs/cloud-tls.ts';
import { type RegistryProject, type RegistryScene, registryScene } from '../../support/scenes/registry-scene.ts';

const minute = 60_000;
const image = 'acme/shop';
const robot = { username: 'robot$acme+ci', password: `p$'"(:\n\\ü` };

let database: TestDatabase;
let aws: AwsStandIn;
let google: GoogleStandIn;
let azure: AzureStandIn;
let registry: RegistryStandIn;
let scene: RegistryScene;

beforeAll(async () => {
  const access = [{ repository: 'acme/*', actions: ['pull' as const, 'push' as const] }];
  [database, registry, aws, google, azure] = await Promise.all([
    openTestDatabase(),
    startRegistry({ users: { [robot.username]: { password: robot.password, access } }, tokenSeconds: 300 }),
    startAws(),
    startGoogle({ certificate: loopbackCertificate }),
    startAzure({ certificate: loopbackCertificate }),
  ]);
  const platform = aws.user();
  const allowedHosts = [google, azure].map(({ url }) => ({ origin: url }));
  const clouds = { allowedHosts, elsewhere: cloudsAt({ aws, google, azure }, platform) };
  scene = registryScene(database, { clouds, registries: [registry.url] });
});
afterAll(async () => {
  await Promise.all([registry?.close(), aws?.stop(), google?.close(), azure?.close(), database?.drop()]);
});
beforeEach(() => {
  for (const { ledger } of [registry, aws, google, azure]) ledger.length = 0;
});
afterEach(() => {
  vi.useRealTimers();
  aws.state.clockAheadMs = 0;
});

/** The same as a request of the project after its check. */
async function wantedBy(
  { orgId, projectId, integrationId }: Omit<RegistryProject, 'accountId'>,
  changes: Partial<WantedImageCredential> = {},
): Promise<WantedImageCredential> {
  const found = await findIssuer(database.reader, projectId, integrationId);
  if (!found) throw new Error('The project has no such registry');
  const { issuer, cloud } = found;
  const asked = {
    buildId: null,
    alone: false,
    repositories: [image],
    purpose: 'pull' as const,
    bearer: false,
  };
  const access = cloud && { id: cloud.id, epoch: cloud.epoch };
  return { issuer, cloud: access, orgId, ...asked, ...changes };
}

const claim = (wanted: WantedImageCredential, issued: ImageCredential & { id: string }) =>
  database.write((trx) => scene.imageCredentials.claim(trx, wanted, issued));
const remove = ({ orgId, projectId, integrationId: id }: RegistryProject) =>
  database.write((trx) =>
    deleteIntegration(trx, { orgId, projectId, id, revocation: 'auto', audit: async () => undefined }),
  );
const isTooShort = (error: unknown) => error instanceof ProviderError && error.code === 'lifetime_too_short';
const keyOf = async () => {
  const [jwk] = await scene.issuer.keys();
  return createPublicKey({ key: { ...jwk }, format: 'jwk' });
};

describe('ECR', () => {
  const accountId = '444455556666';
  const host = `${accountId}.dkr.ecr.eu-west-1.amazonaws.com`;
  const roleArn = `arn:aws:iam::${accountId}:role/fairlead`;
  const externalId = 'fl-7f1c';
  const calls = () => aws.ledger.map(({ action }) => action);
  const once = ['AssumeRole', 'GetAuthorizationToken'];
  let ours: RegistryProject;

  beforeEach(async () => {
    aws.role({ arn: roleArn, trusts: [...aws.state.identities.values()].map(({ arn }) => arn), externalId });
    const config = { role_arn: roleArn, account_id: accountId, external_id: externalId };
    ours = await scene.project('ecr', host, { kind: 'aws', authMode: 'assume_role', config });
  });

  test('opens one session and one token at AWS for a thousand callers', async () => {
    const wanted = await wantedBy(ours);
    const all = await Promise.all(Array.from({ length: 1_000 }, () => scene.imageCredentials.mint(wanted)));
    expect(calls()).toEqual(once);
    expect(new Set(all.map(({ id }) => id)).size).toBe(1);
    expect(all[0]).toMatchObject({
      username: 'AWS',
      token: aws.state.issued.at(-1)?.password,
      isStatic: false,
      effective: { repositories: [image], actions: ['pull'], narrowedTo: 'repository' },
    });
    expect(await claim(wanted, all[0] as (typeof all)[0])).toBe('good');
    // Another repository or a push needs another credential.
    await scene.imageCredentials.mint({ ...wanted, repositories: ['acme/other'] });
    await scene.imageCredentials.mint({ ...wanted, purpose: 'push' });
    expect(calls()).toEqual([...once, ...once, ...once]);
  });

  test('mints the next one in the background after four fifths of the lifetime, and no caller waits', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const start = Date.now();
    const at = (passed: number) => {
      // The stand-in uses the same clock.
      vi.setSystemTime(start + passed);
      return scene.imageCredentials.mint(wanted);
    };
    const wanted = await wantedBy(ours);
    const first = await at(0);
    const life = first.expiresAt - start;
    expect(life).toBeGreaterThan(59 * minute);
    expect(life).toBeLessThanOrEqual(60 * minute);

    expect((await at(life * 0.79)).id).toBe(first.id);
    expect(calls()).toEqual(once);
    expect((await at(life * 0.81)).id).toBe(first.id);
    await expect.poll(calls).toEqual([...once, ...once]);
    await expect.poll(async () => (await scene.imageCredentials.mint(wanted)).id).not.toBe(first.id);
    const second = await scene.imageCredentials.mint(wanted);
    expect(second.expiresAt).toBeGreaterThan(first.expiresAt + 30 * minute);
    expect(calls()).toEqual([...once, ...once]);
  });

  test('returns no token that its provider considers expired', async () => {
    aws.state.clockAheadMs = -4 * minute;
    aws.state.tokenSeconds = 60;
    try {
      await expect(scene.imageCredentials.mint(await wantedBy(ours))).rejects.toMatchObject({ code: 'unexpected' });
    } finally {
      aws.state.tokenSeconds = 43_200;
    }
  });

  test('returns nothing once the integration is deleted, not even a credential in the making', async () => {
    const wanted = await wantedBy(ours);
    const before = await scene.imageCredentials.mint(wanted);
    const making = Array.from({ length: 20 }, (_, index) => {
      const other = { ...wanted, repositories: [`acme/shop-${index}`] };
      return scene.imageCredentials.mint(other).then(
        (issued) => ({ other, issued }),
        (error: unknown) => error,
      );
    });
    await remove(ours);
    expect(await claim(wanted, before)).toBe('cut_off');
    const late = await Promise.all(making);
    for (const one of late) {
      if (one instanceof Error) expect(one).toBeInstanceOf(CutOff);
      else {
        const { other, issued } = one as { other: WantedImageCredential; issued: typeof before };
        expect(await claim(other, issued)).toBe('cut_off');
      }
    }
    expect(late.some((one) => one instanceof CutOff)).toBe(true);
    const active = await database
      .reader('minted_tokens')
      .where({ integration_id: ours.integrationId, revoked_at: null });
    expect(active).toEqual([]);
  });
});

describe('a registry with a user name and a password', () => {
  const tokens = () => registry.ledger.filter(({ path }) => path === '/token').length;

  test('mints one token for all callers during most of its few minutes', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const start = Date.now();
    const wanted = await wantedBy(await scene.withPassword(registry.url, robot), { bearer: true });
    const first = await scene.imageCredentials.mint(wanted);
    expect(first).toMatchObject({ isStatic: false, effective: { repositories: [image], narrowedTo: 'repository' } });
    expect(first.expiresAt).toBeLessThanOrEqual(start + 5 * minute);
    for (const passed of [0, minute, 3 * minute]) {
      vi.setSystemTime(start + passed);
      expect((await scene.imageCredentials.mint(wanted)).id).toBe(first.id);
    }
    expect(tokens()).toBe(1);
    vi.setSystemTime(start + 4.5 * minute);
    expect((await scene.imageCredentials.mint(wanted)).id).not.toBe(first.id);
    expect(tokens()).toBe(2);
  });

  test('returns the password itself to clients that need to log in with it, and says so', async () => {
    const wanted = await wantedBy(await scene.withPassword(registry.url, robot));
    const all = await Promise.all(Array.from({ length: 100 }, () => scene.imageCredentials.mint(wanted)));
    expect(new Set(all.map(({ id }) => id)).size).toBe(1);
    expect(all[0]).toMatchObject({
      username: robot.username,
      token: robot.password,
      isStatic: true,
      effective: { repositories: '*', actions: ['pull', 'push'], narrowedTo: 'identity', note: expect.any(String) },
    });
    expect(registry.ledger).toEqual([]);
  });
});

describe('Artifact Registry', () => {
  const host = 'europe-docker.pkg.dev';
  const provider = 'projects/123456/locations/global/workloadIdentityPools/fairlead/providers/fairlead-oidc';

  test('returns the whole account’s access for as long as Google says, with Fairlead as the issuer', async () => {
    const ours = await scene.project('gar', host, {
      kind: 'gcp',
      authMode: 'workload_identity',
      config: { provider },
    });
    const subject = issuerSubject(ours.orgId, ours.accountId);
    google.state.providers.set(provider, {
      issuer: publicUrl,
      publicKey: await keyOf(),
      lets: ({ sub, org_id: org, integration_id: integration }) =>
        sub === subject && org === ours.orgId && integration === ours.integrationId,
    });

    const pull = await scene.imageCredentials.mint(await wantedBy(ours, { repositories: ['acme-prod/images/shop'] }));
    expect(pull).toMatchObject({
      username: 'oauth2accesstoken',
      host,
      isStatic: false,
      effective: { repositories: '*', actions: ['pull'], narrowedTo: 'identity', note: expect.any(String) },
    });
    const held = google.state.tokens.get(pull.token);
    expect(held).toMatchObject({ identity: `principal://${provider}/${subject}` });
    // It expires no later than our own token, by which it was created, to the second.
    expect(Math.abs(pull.expiresAt - (held?.expiresAt ?? 0))).toBeLessThan(2_000);
    expect(pull.expiresAt).toBeLessThan(Date.now() + 11 * minute);

    const push = await scene.imageCredentials.mint(await wantedBy(ours, { purpose: 'push', bearer: true }));
    expect(push.effective).toMatchObject({ repositories: '*', actions: ['pull', 'push'], narrowedTo: 'identity' });
    expect(push.token).not.toBe(pull.token);
    const longer = wantedBy(ours, { minTtlMs: 30 * minute }).then((wanted) => scene.imageCredentials.mint(wanted));
    // Google's answer or our own token names the expiry.
    await expect(longer).rejects.toSatisfy((error) => error instanceof TooShortLived || isTooShort(error));
  });
});

describe('ACR', () => {
  const host = 'acmeprod.azurecr.io';
  const tenantId = '11111111-2222-4333-8444-555555555555';
  const clientId = '99999999-8888-4777-8666-555555555555';

  test('returns a token for the repositories only, with the lifetime that the token names', async () => {
    const config = { tenant_id: tenantId, client_id: clientId, cloud: 'public' };
    const ours = await scene.project('acr', host, { kind: 'azure', authMode: 'federated', config });
    const subject = issuerSubject(ours.orgId, ours.accountId);
    const trusted = { issuer: publicUrl, subject, audience: 'api://AzureADTokenExchange', publicKey: await keyOf() };
    insertApp(azure.state, tenantId, clientId, { federated: [trusted] });
    insertRegistry(azure.state, host, { tenantId, roles: new Map([[clientId, ['pull']]]) });
    azure.state.lives.access = 1_234;

    const pull = await scene.imageCredentials.mint(await wantedBy(ours, { bearer: true }));
    expect(pull).toMatchObject({
      host,
      isStatic: false,
      effective: { repositories: [image], actions: ['pull'], narrowedTo: 'repository' },
    });
    const { exp = 0, access } = decodeJwt(pull.token);
    expect(pull.expiresAt).toBe(exp * 1000);
    expect(Math.abs(pull.expiresAt - Date.now() - 1_234_000)).toBeLessThan(5_000);
    expect(access).toEqual([{ type: 'repository', name: image, actions: ['pull'] }]);

    const push = wantedBy(ours, { purpose: 'push' }).then((wanted) => scene.imageCredentials.mint(wanted));
    await expect(push).rejects.toMatchObject({ code: 'registry_role_missing' });
    const all = await scene.imageCredentials.mint(await wantedBy(ours, { repositories: [] }));
    expect(all.effective).toMatchObject({ repositories: '*', narrowedTo: 'identity', note: expect.any(String) });
    expect(all.expiresAt).toBe((decodeJwt(all.token).exp ?? 0) * 1000);
  });
});
