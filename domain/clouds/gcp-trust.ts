import type { RegistryPurpose } from '../registries/registry-purposes.ts';
import type { ArtifactRepository } from './gcp-names.ts';
import { shellCommand } from './shell-quote.ts';

/** The identity that reaches the repositories: an existing one at Google, or Fairlead as an issuer of tokens. */
export type GcpTrusted =
  | { serviceAccount: string }
  | { person: string }
  | {
      issuerUrl: string;
      subject: string;
      /** The future name: `projects/…/workloadIdentityPools/…/providers/…`. */
      provider: string;
      /**
       * The impersonated service account. Without one, Google’s tokens expire with the tokens they were exchanged for.
       */
      serviceAccount?: string | undefined;
    };

/** The purpose of each command. The person who pastes it replaces the names in capitals. */
const somewhere: ArtifactRepository = { project: 'PROJECT', location: 'LOCATION', repository: 'REPOSITORY' };

const roles: Record<RegistryPurpose, string> = {
  pull: 'roles/artifactregistry.reader',
  push: 'roles/artifactregistry.writer',
};

/**
 * The commands that grant a cloud account what it needs, as text to paste: the trust in this account of this Fairlead,
 * and a role on each repository instead of the project.
 */
export function gcpTrustCommands(
  trusted: GcpTrusted,
  { repositories, purpose }: { repositories: ArtifactRepository[]; purpose: RegistryPurpose },
): string {
  const places = repositories.length === 0 ? [somewhere] : repositories;
  const grants = places.map(({ project, location, repository }) =>
    gcloud('artifacts', 'repositories', 'add-iam-policy-binding', repository, {
      project,
      location,
      member: memberOf(trusted),
      role: roles[purpose],
    }),
  );
  return [...('provider' in trusted ? federation(trusted) : []), ...grants].join('\n');
}

type Federation = Extract<GcpTrusted, { provider: string }>;

function federation({ issuerUrl, subject, provider, serviceAccount }: Federation): string[] {
  const [, project = '', , , , pool = '', , name = ''] = provider.split('/');
  const at = { project, location: 'global' };
  const commands = [
    gcloud('services', 'enable', 'sts.googleapis.com', 'iamcredentials.googleapis.com', { project }),
    gcloud('iam', 'workload-identity-pools', 'create', pool, at),
    gcloud('iam', 'workload-identity-pools', 'providers', 'create-oidc', name, {
      ...at,
      'workload-identity-pool': pool,
      'issuer-uri': issuerUrl,
      'attribute-mapping': 'google.subject=assertion.sub',
      // Keeps other accounts of this issuer outside, even if the pool gets more roles later.
      'attribute-condition': `assertion.sub == ${JSON.stringify(subject)}`,
    }),
  ];
  if (serviceAccount === undefined) return commands;
  const [, home] = /@([^.]+)\.iam\.gserviceaccount\.com$/.exec(serviceAccount) ?? [];
  return [
    ...commands,
    gcloud('iam', 'service-accounts', 'add-iam-policy-binding', serviceAccount, {
      ...(home === undefined ? {} : { project: home }),
      member: principalOf(provider, subject),
      role: 'roles/iam.workloadIdentityUser',
    }),
  ];
}

function memberOf(trusted: GcpTrusted): string {
  if ('person' in trusted) return `user:${trusted.person}`;
  if (trusted.serviceAccount !== undefined) return `serviceAccount:${trusted.serviceAccount}`;
  return 'provider' in trusted ? principalOf(trusted.provider, trusted.subject) : '';
}

function principalOf(provider: string, subject: string): string {
  return `principal://iam.googleapis.com/${provider.replace(/\/providers\/.*$/, '')}/subject/${subject}`;
}

function gcloud(...parts: [...string[], Record<string, string>]): string {
  const words = parts.slice(0, -1) as string[];
  const flags = Object.entries(parts.at(-1) ?? {}).map(([name, value]) => `--${name}=${value}`);
  return shellCommand('gcloud', ...words, ...flags);
}
