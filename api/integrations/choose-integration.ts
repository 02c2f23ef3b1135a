import { usableIntegrations } from '../../db/integrations/usable-integrations.ts';
import type { Db } from '../../db/store/connection.ts';
import { Problem } from '../http/problems.ts';
import { unusable } from './unusable.ts';

type Wanted = {
  projectId: string;
  kinds: readonly string[];
  named?: string | undefined;
  /** The host of the connection, if `named` is undefined. */
  host?: string | undefined;
};

/** Returns the named integration, or the only one of these kinds that the project owns or that is granted to it. */
export async function chooseIntegration(db: Db, { projectId, kinds, named, host }: Wanted): Promise<string> {
  const integrations = usableIntegrations(db, projectId);
  if (named !== undefined) {
    const integration = await integrations.find(named);
    if (integration && kinds.includes(integration.kind)) return named;
    throw new Problem(
      'no_integration',
      `The project has no such integration of the kind ${kinds.join(' or ')}. Send another \`integration_id\`.`,
    );
  }
  const isThere = ({ hostUrl }: { hostUrl: string }) => host === undefined || new URL(hostUrl).host === host;
  const usable = (await integrations.list(...kinds)).filter(isThere);
  const [only, ...others] = usable;
  if (!only) {
    // If Fairlead reported an existing integration as missing, its owner would connect the account again.
    const broken = (await integrations.listUnusable(...kinds)).find(isThere);
    if (broken) throw await unusable(db, broken.id);
    throw new Problem(
      'no_integration',
      'Connect an account to the project, or ask for access to an integration of the organization.',
    );
  }
  if (others.length > 0) {
    throw new Problem('ambiguous_integration', 'Send the `integration_id` of one of them.', {
      members: { integrations: usable.map((one) => ({ id: one.id, display_name: one.displayName })) },
    });
  }
  return only.id;
}

/** Throws if the organization has revoked the project's access since the integration was chosen. */
export async function requireGranted(db: Db, projectId: string, integrationId: string): Promise<void> {
  if (await usableIntegrations(db, projectId).includes(integrationId)) return;
  throw new Problem(
    'no_integration',
    'The organization does not grant this integration to the project. Set another source.',
  );
}
