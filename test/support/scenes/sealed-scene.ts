import { googleConsentsIn, verifierOf } from '../../../db/clouds/google-consents.ts';
import { allConnectFlows } from '../../../db/connect/connect-flows.ts';
import { flowSeals } from '../../../db/connect/flow-seals.ts';
import { flowStatesIn } from '../../../db/connect/flow-states.ts';
import { mintedTokensIn } from '../../../db/exchange/minted-tokens.ts';
import { sealedSecrets } from '../../../db/secrets/sealed-secrets.ts';
import type { Database, Transaction } from '../../../db/store/connection.ts';
import { registryPasswordKind } from '../../../domain/registries/registry-settings.ts';
import { keyring } from '../hooks.ts';
import { seed } from './seed.ts';

export type Sealed = Awaited<ReturnType<typeof sealedOf>>;

let appId = 7_000;

/** Creates an organization with one sealed secret of every kind, and functions that open them. */
export async function sealedOf(database: Database, name: string) {
  const add = seed(database);
  const { orgId, projectId } = await add.org(name);
  appId += 1;
  const githubAppId = await add.githubApp(appId, { orgId });
  const installationId = await add.installation(githubAppId, appId);
  const integrationId = await add.integration({ orgId, projectId, githubAppId, installationId });
  const registryId = await add.registry({ orgId, projectId });
  const cloudAccountId = await add.cloudAccount({ orgId, projectId });
  const owners = {
    github_app: [{ githubAppId }, 'private_key'],
    integration: [{ integrationId: registryId }, registryPasswordKind],
    cloud_account: [{ cloudAccountId }, 'access_key'],
  } as const;

  const db = database.reader;
  const made = await database.write(async (trx) => {
    for (const [owner, kind] of Object.values(owners)) {
      await sealedSecrets(trx, keyring).put(owner, orgId, kind, `${kind} of ${name}`);
    }
    const minted = { orgId, integrationId, installationId, token: `token of ${orgId}`, expiresAt: Date.now() + 3e6 };
    const mintedTokenId = await mintedTokensIn(trx).insert(minted, keyring);
    // Only the revocation needs the text.
    await mintedTokensIn(trx).retire([mintedTokenId]);
    const flow = await allConnectFlows(trx).insert({
      orgId,
      projectId,
      kind: 'own',
      createdBy: 'system',
      hostUrl: 'https://github.com',
      apiUrl: 'https://api.github.com',
      githubAppId,
      integrationId,
      displayName: null,
      appName: 'Fairlead',
      appPublic: false,
      accountLogin: null,
      accountId: null,
      redirectUrl: null,
      claimedInstallation: null,
      expiresAt: Date.now() + 3_600_000,
    });
    const seals = flowSeals(keyring, flow);
    await allConnectFlows(trx).note(flow.id, {
      sealedManifestCode: seals.sealManifestCode(`manifest code of ${name}`),
      sealedSignInCode: seals.sealSignInCode({ code: `sign-in code of ${name}` }),
    });
    const state = await flowStatesIn(trx).issue(flow.id, 'oauth', (hash) =>
      seals.sealVerifier(`verifier of ${name}`, hash),
    );
    const consents = googleConsentsIn(trx);
    const { flow: consent } = await consents.insert({
      orgId,
      projectId,
      cloudAccountId,
      displayName: name,
      createdBy: 'system',
    });
    const issued = await consents.issueState(consent, keyring);
    return { mintedTokenId, flowId: flow.id, state, consentId: consent.id, consentState: issued?.state ?? '' };
  });
  const { flowId, mintedTokenId, state, consentId, consentState } = made;
  const { hash: stateHash } = (await flowStatesIn(db).find(state)) as { hash: string };

  const credentials = {} as Record<keyof typeof owners, string>;
  const versions = {} as Record<keyof typeof owners, string>;
  for (const kind of ['github_app', 'integration', 'cloud_account'] as const) {
    const [owner, field] = owners[kind];
    const found = await sealedSecrets(db, keyring).find(owner, field);
    credentials[kind] = found?.id ?? '';
    versions[kind] = (await db('credential_versions').where({ credential_id: credentials[kind] }).first())?.id ?? '';
  }
  const opens = (kind: keyof typeof owners) => () => {
    const [owner, field] = owners[kind];
    return sealedSecrets(db, keyring).active(owner, field);
  };
  const flowWith = async (id: string | undefined) => {
    const found = await allConnectFlows(db).find(id ?? '');
    if (!found) throw new Error('The flow is gone');
    return found;
  };

  return {
    orgId,
    projectId,
    githubAppId,
    installationId,
    integrationId,
    registryId,
    cloudAccountId,
    credentials,
    versions,
    mintedTokenId,
    flowId,
    stateHash,
    consentId,
    active: {
      github_app: opens('github_app'),
      integration: opens('integration'),
      cloud_account: opens('cloud_account'),
    },
    mintedToken: async () => (await mintedTokensIn(db).open(mintedTokenId, keyring))?.token,
    manifestCode: async () => {
      const found = await flowWith(flowId);
      return flowSeals(keyring, found).openManifestCode(found.sealedManifestCode ?? '');
    },
    signInCode: async () => {
      const found = await flowWith(flowId);
      return flowSeals(keyring, found).openSignInCode(found.sealedSignInCode ?? '').code;
    },
    verifier: async () => {
      const found = await flowStatesIn(db).findByHash(stateHash);
      return flowSeals(keyring, await flowWith(found?.flowId)).openVerifier(found?.sealedVerifier ?? '', stateHash);
    },
    consentVerifier: async () => {
      const found = await googleConsentsIn(db).byState(consentState);
      if (!found) throw new Error('The consent is gone');
      return verifierOf(found, keyring);
    },
    /** Removes the credentials of all owners here, so that others can take their places. */
    async forgetCredentials(trx: Transaction): Promise<void> {
      await this.forgetVersions(trx);
      await trx('credentials').whereIn('id', Object.values(credentials)).delete();
    },
    async forgetVersions(trx: Transaction): Promise<void> {
      await trx('credential_versions').whereIn('id', Object.values(versions)).delete();
    },
  };
}
