import { sealContextOf, sealedSecrets } from '../../../db/secrets/sealed-secrets.ts';
import type { Database } from '../../../db/store/connection.ts';
import { keyring } from '../hooks.ts';

/** Gives the GitHub App to this organization or to the operator, and seals its secrets for the new owner. */
export async function giveApp(database: Database, githubAppId: string, orgId: string | null): Promise<void> {
  await database.write(async (trx) => {
    const credentials = await trx('credentials').where({ github_app_id: githubAppId });
    const secrets: { id: string; plain: string; credentialId: string; version: number }[] = [];
    for (const credential of credentials) {
      const versions = trx('credential_versions').where({ credential_id: credential.id }).whereNotNull('sealed');
      for (const row of await versions) {
        const plain = await sealedSecrets(trx, keyring).open(credential, row);
        secrets.push({ id: row.id, plain, credentialId: credential.id, version: row.version });
      }
    }
    await trx('github_apps').where({ id: githubAppId }).update({ org_id: orgId });
    await trx('credentials').where({ github_app_id: githubAppId }).update({ org_id: orgId });
    for (const { id, plain, credentialId, version } of secrets) {
      const credential = await trx('credentials').where({ id: credentialId }).first();
      if (!credential) continue;
      const { sealed } = keyring.seal(plain, await sealContextOf(trx, credential, version));
      await trx('credential_versions').where({ id }).update({ sealed });
    }
  });
}
