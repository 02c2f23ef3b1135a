import { release } from '../../db/deletion/bindings.ts';
import { githubAppsIn } from '../../db/github/github-apps.ts';
import { installationsIn } from '../../db/github/installations.ts';
import { incidentsIn } from '../../db/ops/incidents.ts';
import { everything } from '../../db/store/tenant.ts';
import type { RevocationOutcome } from '../../domain/deletion/revocation.ts';
import { githubHost } from '../../domain/github/github-host.ts';
import { installationSettingsUrl } from '../../domain/github/github-urls.ts';
import type { DeletionDeps, OfInstallation } from './deps.ts';

/** GitHub refused, or did not answer for a week: a person has to look there. `code` says what was in the way. */
export function giveUpUninstall({ database }: DeletionDeps) {
  return ({ integrationId, installationId, code }: OfInstallation & { code: string }): Promise<RevocationOutcome> =>
    database.write(async (trx) => {
      const integration = await trx('integrations').where({ id: integrationId }).first();
      const installation = await installationsIn(trx, everything).find(installationId);
      const app = installation && (await githubAppsIn(trx).find(installation.githubAppId));
      await release(trx, { integrationId, installationId });
      if (!integration || !installation || !app) return 'unconfirmed';
      // Its webhook may have told meanwhile.
      if (installation.removedAt !== null) return 'revoked';
      const { accountLogin, targetType, externalId } = installation;
      const { web } = githubHost(app.hostUrl, app.apiUrl);
      const url = installationSettingsUrl(web, {
        organization: targetType === 'User' ? undefined : accountLogin,
        installationId: externalId,
      });
      await incidentsIn(trx, everything).raise({
        orgId: integration.org_id,
        projectId: integration.project_id,
        code: 'revocation_unconfirmed',
        subjectId: installation.id,
        title: `It is not confirmed that the App ${app.slug} was uninstalled from ${accountLogin} (${code})`,
        action: 'Uninstall it at GitHub, if it is still there.',
        link: url,
      });
      return 'unconfirmed';
    });
}
