import type { CloudAccount } from '../../db/clouds/cloud-accounts.ts';
import { check } from '../http/input.ts';
import { Problem } from '../http/problems.ts';
import { accessIn, cloudModes } from './account-access.ts';

type SentChange = { config?: Record<string, string> | undefined; credentials?: Record<string, unknown> | undefined };
type Changed = { config: Record<string, string> | undefined; secret: string | undefined };

/** What of an account's access is to be another one: checked as at its making, for the way in that it has. */
export function changedAccess({ authMode, config: before }: CloudAccount, sent: SentChange): Changed {
  const mode = Object.hasOwn(cloudModes, authMode) ? cloudModes[authMode as keyof typeof cloudModes] : undefined;
  const config = sent.config && check('body.config', mode?.config ?? refuse('config'), sent.config);
  const credentials: NonNullable<Parameters<typeof accessIn>[0]['credentials']> | undefined =
    sent.credentials && check('body.credentials', mode?.credentials ?? refuse('credentials'), sent.credentials);
  const access = accessIn({ config, credentials });
  const isOther = config !== undefined || credentials?.config !== undefined;
  return { config: isOther ? withExternalId(access.config, before) : undefined, secret: access.secret };
}

/** It is in the trust policy at AWS, and is nobody's to choose. */
function withExternalId(config: Record<string, string>, { external_id }: Record<string, string>) {
  return external_id === undefined ? config : { ...config, external_id };
}

function refuse(member: 'config' | 'credentials'): never {
  const advice = 'Such an account has none: a person’s consent is given anew by POST /v1/cloud-accounts/gcp/start.';
  throw new Problem('invalid_request', advice, { errors: [{ path: `body.${member}`, message: 'cannot be changed' }] });
}
