import { z } from 'zod';
import type { CloudAccounts } from '../../broker/clouds/cloud-accounts.ts';
import type { CloudAccount } from '../../db/clouds/cloud-accounts.ts';
import { awsPlace, parseRoleArn } from '../../domain/clouds/aws-partitions.ts';
import { azureId } from '../../domain/clouds/azure-clouds.ts';
import { serviceAccountEmail, workloadIdentityProvider } from '../../domain/clouds/gcp-names.ts';
import { check, exampleId, expiresAt, id, name, secretText } from '../http/input.ts';
import { Problem } from '../http/problems.ts';
import { serviceAccountKey } from './service-account-key.ts';

/** The settings that are stored unencrypted. */
type Config = Record<string, string>;

const roleArn = z
  .string()
  .refine((arn) => parseRoleArn(arn) !== undefined, 'must be the ARN of a role')
  .meta({ examples: ['arn:aws:iam::123456789012:role/fairlead'] });
const accountId = z
  .string()
  .regex(/^\d{12}$/, 'must be the twelve digits of an AWS account')
  .meta({ examples: ['123456789012'] });
const region = z
  .string()
  .refine((text) => awsPlace(text) !== undefined, 'must be a region of AWS')
  .optional()
  .describe('The region whose AWS endpoint verifies the account. Required outside the partition `aws`');
const uuid = z
  .string()
  .regex(azureId, 'must be an id as the Azure portal shows it')
  .toLowerCase()
  .meta({ examples: ['00000000-0000-4000-8000-000000000000'] });

const ofRole = z
  .strictObject({ role_arn: roleArn })
  .transform(({ role_arn }): Config => ({ role_arn, account_id: parseRoleArn(role_arn)?.accountId ?? '' }));

const ofAccessKey = z
  .strictObject({
    access_key_id: z
      .string()
      .regex(
        /^(?!ASIA)\w{16,128}$/,
        'must be the id of a permanent access key: a key that begins with ASIA is temporary',
      ),
    account_id: accountId,
    region,
  })
  .transform(given);

const ofMachine = z.strictObject({ account_id: accountId, region }).transform(given);

const noFile =
  'takes `provider` and `service_account` alone: a file of the type `external_account` can name addresses, files and programs of the machine that reads it';
const ofPool = z
  .strictObject(
    {
      provider: z
        .string()
        .regex(
          workloadIdentityProvider,
          'must be projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER',
        ),
      service_account: z
        .string()
        .regex(serviceAccountEmail, 'must be the address of a service account')
        .optional()
        .describe('The service account to impersonate. If you omit it, the principal of the pool needs the roles'),
    },
    { error: (issue) => (issue.code === 'unrecognized_keys' ? noFile : undefined) },
  )
  .transform(given);

const ofApp = z
  .strictObject({ tenant_id: uuid, client_id: uuid, cloud: z.enum(['public', 'china', 'usgov']).default('public') })
  .transform(given);

const secretOf = <Name extends string>(field: Name) =>
  z.strictObject({ [field]: secretText(8, 500) }).transform((sent) => ({ secret: sent[field] as string }));

/** The settings and the secret that each auth mode takes. */
export const cloudModes = {
  assume_role: { config: ofRole, credentials: undefined },
  web_identity: { config: ofRole, credentials: undefined },
  access_key: { config: ofAccessKey, credentials: secretOf('secret_access_key') },
  ambient: { config: ofMachine, credentials: undefined },
  workload_identity: { config: ofPool, credentials: undefined },
  service_account_key: {
    config: undefined,
    credentials: z.strictObject({ key: serviceAccountKey }).transform(({ key }) => key),
  },
  federated: { config: ofApp, credentials: undefined },
  client_secret: { config: ofApp, credentials: secretOf('client_secret') },
} as const;

const common = {
  project_id: id('prj')
    .optional()
    .describe('The project that owns the account. You can omit it if you have access to only one project'),
  org_id: id('org').optional().describe('If you omit `project_id`, the organization owns the account'),
  display_name: name,
};

const member = <Kind extends string, Mode extends string, Parts extends z.ZodRawShape>(
  kind: Kind,
  mode: Mode,
  parts: Parts,
) => z.strictObject({ ...common, kind: z.literal(kind), auth_mode: z.literal(mode), ...parts });

/** A stored secret can expire at the cloud. */
const withSecret = { expires_at: expiresAt.optional() };
const { access_key: key, service_account_key: keyFile, client_secret: clientSecret } = cloudModes;

export const NewCloudAccount = z
  .discriminatedUnion(
    'auth_mode',
    [
      member('aws', 'assume_role', { config: ofRole }),
      member('aws', 'web_identity', { config: ofRole }),
      member('aws', 'access_key', { config: ofAccessKey, credentials: key.credentials, ...withSecret }),
      member('aws', 'ambient', { config: ofMachine }),
      member('gcp', 'workload_identity', { config: ofPool }),
      member('gcp', 'service_account_key', { credentials: keyFile.credentials, ...withSecret }),
      member('azure', 'federated', { config: ofApp }),
      member('azure', 'client_secret', { config: ofApp, credentials: clientSecret.credentials, ...withSecret }),
    ],
    {
      error: `must be one of ${Object.keys(cloudModes).join(', ')}; to use the consent of a person at Google, send POST /v1/cloud-accounts/gcp/start`,
    },
  )
  .meta({
    id: 'NewCloudAccount',
    examples: [
      {
        kind: 'aws',
        auth_mode: 'web_identity',
        project_id: exampleId('prj'),
        display_name: 'AWS of Acme',
        config: { role_arn: 'arn:aws:iam::123456789012:role/fairlead' },
      },
      {
        kind: 'gcp',
        auth_mode: 'workload_identity',
        project_id: exampleId('prj'),
        display_name: 'Google Cloud of Acme',
        config: {
          provider: 'projects/123456789012/locations/global/workloadIdentityPools/fairlead/providers/fairlead',
        },
      },
      {
        kind: 'azure',
        auth_mode: 'federated',
        project_id: exampleId('prj'),
        display_name: 'Azure of Acme',
        config: {
          tenant_id: '00000000-0000-4000-8000-000000000000',
          client_id: '00000000-0000-4000-8000-000000000001',
        },
      },
    ],
  });

/** The access of an account as the caller sent it, split into settings and the secret. */
export type SentAccess = { config: Config; secret: string | undefined };

type Sent = { config?: Config | undefined; credentials?: { secret: string; config?: Config | undefined } | undefined };

/** Splits the access. The file with the secret also contains some of the settings. */
export function accessIn({ config, credentials }: Sent): SentAccess {
  return { config: { ...config, ...credentials?.config }, secret: credentials?.secret };
}

function given(sent: Record<string, string | undefined>): Config {
  return Object.fromEntries(Object.entries(sent).filter((entry): entry is [string, string] => entry[1] !== undefined));
}

type SentChange = {
  config?: Record<string, string> | undefined;
  credentials?: Record<string, unknown> | undefined;
  expires_at?: number | null | undefined;
};

type Changed = {
  config: Record<string, string> | undefined;
  secret: string | undefined;
  /** Null if the secret has no date. A new secret without a date has none. */
  expiresAt: number | null | undefined;
};

/** Returns the changed access of an account. The rules of its auth mode apply, as they do on creation. */
export function changedAccess({ authMode, config: before }: CloudAccount, sent: SentChange): Changed {
  const mode = Object.hasOwn(cloudModes, authMode) ? cloudModes[authMode as keyof typeof cloudModes] : undefined;
  const config = sent.config && check('body.config', mode?.config ?? refuse('config'), sent.config);
  const credentials: NonNullable<Parameters<typeof accessIn>[0]['credentials']> | undefined =
    sent.credentials && check('body.credentials', mode?.credentials ?? refuse('credentials'), sent.credentials);
  if (sent.expires_at !== undefined && !mode?.credentials) refuse('expires_at');
  const access = accessIn({ config, credentials });
  const isOther = config !== undefined || credentials?.config !== undefined;
  return {
    config: isOther ? withExternalId(access.config, before) : undefined,
    secret: access.secret,
    expiresAt: typeof sent.expires_at === 'number' ? sent.expires_at * 1000 : sent.expires_at,
  };
}

/** Keeps the external id. The trust policy at AWS contains it, so nobody can choose or change it. */
function withExternalId(config: Record<string, string>, { external_id }: Record<string, string>) {
  return external_id === undefined ? config : { ...config, external_id };
}

function refuse(member: 'config' | 'credentials' | 'expires_at'): never {
  const advice =
    member === 'expires_at'
      ? 'Fairlead stores no secret of this account that could have a date.'
      : 'You cannot change this account here. To renew the consent at Google, send `POST /v1/cloud-accounts/gcp/start`.';
  throw new Problem('invalid_request', advice, { errors: [{ path: `body.${member}`, message: 'cannot be changed' }] });
}

/** Refuses an AWS mode that needs the identity of the Fairlead host, unless the operator has enabled it. */
export function requireOffered({ awsIdentity }: Pick<CloudAccounts, 'awsIdentity'>, authMode: string): void {
  if (authMode === 'assume_role' && awsIdentity === 'none') {
    throw new Problem(
      'platform_identity_missing',
      'This instance has no AWS identity. Use `web_identity`, or ask the operator to set FAIRLEAD_AWS_IDENTITY to `assume`.',
    );
  }
  if (authMode === 'ambient' && awsIdentity !== 'lend') {
    throw new Problem(
      'platform_identity_missing',
      'This instance does not lend its AWS identity. Use `assume_role` or `web_identity`.',
    );
  }
}
