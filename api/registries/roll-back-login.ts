import { integrationsFor } from '../../db/integrations/integrations.ts';
import { describeInactiveLogin, dropPendingLogin, promoteLogin } from '../../db/registries/registry-logins.ts';
import { requestVerification } from '../../db/registries/registry-verifications.ts';
import { credentialsIn } from '../../db/secrets/credentials.ts';
import { isDuplicate } from '../../db/store/errors.ts';
import { reply, type WriteRequest } from '../http/endpoint.ts';
import { Problem, required } from '../http/problems.ts';
import { existing } from './create-registry.ts';
import { isRegistry } from './registry-view.ts';

/** Makes the previous login the active one again, and drops a pending one. You can roll back again. */
export async function rollBackRegistry(
  { trx, tenant, audit }: Pick<WriteRequest, 'trx' | 'tenant' | 'audit'>,
  integrationId: string,
) {
  const integration = required(await integrationsFor(trx, tenant).take(integrationId));
  const { id, orgId, projectId } = integration;
  if (integration.status === 'deleting') throw new Problem('integration_deleted');
  if (!isRegistry(integration) || integration.authMode !== 'basic') {
    throw new Problem('provider_not_supported', 'You can roll back only registries with a user name and a password.');
  }
  const before = await describeInactiveLogin(trx, id, 'retiring');
  const taken = before
    ? await promoteLogin(trx, integration, before.version).catch((error: unknown) => {
        if (!isDuplicate(error)) throw error;
        throw new Problem('integration_exists', 'Another request has just connected the same account.');
      })
    : 'gone';
  if (!before || taken === 'gone') {
    throw new Problem(
      'invalid_transition',
      'There is no previous login: Fairlead keeps one for a day. Send a new one with `PATCH`.',
    );
  }
  if (taken) throw await existing({ trx, tenant }, { orgId, projectId }, taken.identityKey);
  await dropPendingLogin(trx, id);
  await audit({
    orgId,
    projectId,
    action: 'integration.login_rolled_back',
    target: id,
    detail: { version: before.version },
  });
  const operation = await requestVerification(trx, integration);
  const [credential] = await credentialsIn(trx).listOf({ integration_id: id });
  return reply({ operation, body: { credential_id: credential?.id ?? '', mode: null, settings_url: null } });
}
