import { z } from 'zod';
import type { CloudAccounts } from '../../broker/clouds/cloud-accounts.ts';
import { awsAudience } from '../../broker/clouds/clouds.ts';
import { issuerSubject } from '../../broker/clouds/oidc-issuer.ts';
import type { CloudAccount } from '../../db/clouds/cloud-accounts.ts';
import { awsPlace, parseRoleArn } from '../../domain/clouds/aws-partitions.ts';
import { ecrPermissionsPolicy, trustPolicyFor } from '../../domain/clouds/aws-policies.ts';
import { azureClouds } from '../../domain/clouds/azure-clouds.ts';
import { azureTrustCommands } from '../../domain/clouds/azure-trust.ts';
import { isFederated } from '../../domain/clouds/cloud-accounts.ts';
import { federationAudience } from '../../domain/clouds/gcp-names.ts';
import { gcpTrustCommands } from '../../domain/clouds/gcp-trust.ts';
import { shellCommand } from '../../domain/clouds/shell-quote.ts';
import type { AzureCloud } from '../../domain/registries/registry-hosts.ts';
import type { OperationLinks } from '../http/operation-view.ts';

export const SetupView = z
  .object({
    issuer: z
      .object({ url: z.string(), subject: z.string(), audience: z.string() })
      .nullable()
      .describe('What the cloud must require of a token, if it trusts Fairlead as an OIDC issuer'),
    external_id: z
      .string()
      .nullable()
      .describe('For `assume_role`: the external id, which Fairlead creates and never changes'),
    principal: z.string().nullable().describe('For `assume_role`: the identity of Fairlead at AWS'),
    trust_policy: z.string().nullable().describe('For an AWS role: paste it as the trust policy'),
    permissions_policy: z
      .string()
      .nullable()
      .describe('For AWS: paste it as the permissions policy of the role or user'),
    commands: z.string().nullable().describe('Shell commands. Replace the names in capitals'),
    notes: z.array(z.string()),
  })
  .meta({ id: 'CloudAccountSetup' });

type Setup = z.input<typeof SetupView>;

/** Fairlead as the clouds see it. */
type Ourselves = {
  publicUrl: string;
  /** Fairlead's identity at AWS. Undefined if it has none, or if AWS cannot be reached now. */
  principal: string | undefined;
};

const nothing: Setup = {
  issuer: null,
  external_id: null,
  principal: null,
  trust_policy: null,
  permissions_policy: null,
  commands: null,
  notes: [],
};

type SetupDeps = { cloudAccounts: Pick<CloudAccounts, 'principal'>; links: Pick<OperationLinks, 'publicUrl'> };

/**
 * Asks the cloud for everything that an account with this config needs. The returned function makes no requests, so it
 * can run in a transaction.
 */
export function setupWith({ cloudAccounts, links }: SetupDeps) {
  return async (config: CloudAccount['config']): Promise<(account: CloudAccount) => Setup> => {
    const role = parseRoleArn(config['role_arn'] ?? '');
    const principal = role && (await cloudAccounts.principal(role.partition));
    return (account) => setupOf(account, { publicUrl: links.publicUrl, principal });
  };
}

/**
 * Returns what a person pastes at the cloud, so that it admits this account and no other. Uses the pending settings, if
 * any.
 */
function setupOf(stored: CloudAccount, ourselves: Ourselves): Setup {
  const account = { ...stored, config: stored.pendingConfig ?? stored.config };
  const setup = { aws: ofAws, gcp: ofGoogle, azure: ofAzure }[account.kind](account, ourselves);
  if (!isFederated(account.authMode) || ourselves.publicUrl.startsWith('https:')) return setup;
  const { publicUrl } = ourselves;
  const note = `This cannot work yet, because no cloud can reach an issuer at ${publicUrl}. Ask the operator to set FAIRLEAD_PUBLIC_URL to a public https address.`;
  return { ...setup, notes: [note, ...setup.notes] };
}

const pushAndPull = ['pull', 'push'] as const;

function ofAws(account: CloudAccount, { publicUrl, principal }: Ourselves): Setup {
  const { config, authMode } = account;
  const at = parseRoleArn(config['role_arn'] ?? '') ?? awsPlace(config['region']);
  const partition = at?.partition ?? 'aws';
  const accountId = config['account_id'] ?? '';
  const permissions_policy = ecrPermissionsPolicy({ partition, region: '*', accountId }, [...pushAndPull]);
  if (authMode === 'assume_role') return { ...nothing, permissions_policy, ...ofRole(config, principal) };
  if (authMode !== 'web_identity') return { ...nothing, permissions_policy };

  const issuer = { url: publicUrl, subject: subjectOf(account), audience: awsAudience };
  const { url: issuerUrl, ...pinned } = issuer;
  const create = ['aws', 'iam', 'create-open-id-connect-provider', '--url', issuerUrl];
  return {
    ...nothing,
    permissions_policy,
    issuer,
    trust_policy: trustPolicyFor({ issuerUrl, ...pinned, accountId, partition }),
    commands: shellCommand(...create, '--client-id-list', awsAudience),
    notes: ['Register the issuer first, once for each AWS account. Then the role can trust it.'],
  };
}

function ofRole(config: CloudAccount['config'], principal: string | undefined): Partial<Setup> {
  const external_id = config['external_id'] ?? '';
  if (principal === undefined) {
    const missing = 'The identity of Fairlead at AWS is not known yet. Read this again before you paste anything.';
    return { external_id, notes: [missing] };
  }
  const trust_policy = trustPolicyFor({ principalArn: principal, externalId: external_id });
  return { external_id, principal, trust_policy };
}

function ofGoogle(account: CloudAccount, { publicUrl }: Ourselves): Setup {
  const { config, authMode } = account;
  const at = { repositories: [], purpose: 'push' as const };
  const { provider, service_account: serviceAccount } = config;
  if (authMode === 'workload_identity' && provider !== undefined) {
    const issuer = { url: publicUrl, subject: subjectOf(account), audience: federationAudience(provider) };
    const trusted = { issuerUrl: publicUrl, subject: issuer.subject, provider, serviceAccount };
    return { ...nothing, issuer, commands: gcpTrustCommands(trusted, at) };
  }
  const trusted =
    authMode === 'oauth' ? { person: config['email'] ?? '' } : { serviceAccount: config['client_email'] ?? '' };
  return { ...nothing, commands: gcpTrustCommands(trusted, at) };
}

function ofAzure(account: CloudAccount, { publicUrl }: Ourselves): Setup {
  const { config, authMode } = account;
  const cloud = config['cloud'] as AzureCloud;
  const app = { clientId: config['client_id'] ?? '', cloud };
  const at = { hosts: [], purpose: 'push' as const };
  if (authMode !== 'federated') return { ...nothing, commands: azureTrustCommands(app, at) };
  const subject = subjectOf(account);
  return {
    ...nothing,
    issuer: { url: publicUrl, subject, audience: azureClouds[cloud].federationAudience },
    commands: azureTrustCommands({ ...app, federation: { issuerUrl: publicUrl, subject } }, at),
  };
}

function subjectOf({ orgId, id }: CloudAccount): string {
  return issuerSubject(orgId, id);
}
