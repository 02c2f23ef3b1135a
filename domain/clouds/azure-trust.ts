import type { AzureCloud } from '../registries/registry-hosts.ts';
import type { RegistryPurpose } from '../registries/registry-purposes.ts';
import { azureClouds } from './azure-clouds.ts';
import { shellCommand } from './shell-quote.ts';

export type AzureTrusted = {
  clientId: string;
  cloud: AzureCloud;
  /** Fairlead as an issuer of tokens. If absent, the app has a client secret. */
  federation?: { issuerUrl: string; subject: string };
};

const names: Record<AzureCloud, string> = {
  public: 'AzureCloud',
  china: 'AzureChinaCloud',
  usgov: 'AzureUSGovernment',
};

const roles: Record<RegistryPurpose, { usual: string; abac: string }> = {
  pull: { usual: 'AcrPull', abac: 'Container Registry Repository Reader' },
  push: { usual: 'AcrPush', abac: 'Container Registry Repository Writer' },
};

/**
 * The commands that grant a cloud account what it needs, as text to paste: the trust in this account of this Fairlead,
 * and a role on each registry. A registry itself decides which of two roles it uses.
 */
export function azureTrustCommands(
  { clientId, cloud, federation }: AzureTrusted,
  { hosts, purpose }: { hosts: string[]; purpose: RegistryPurpose },
): string {
  const commands = [shellCommand('az', 'cloud', 'set', '--name', names[cloud])];
  if (federation) {
    const parameters = {
      name: nameFor(federation.subject),
      issuer: federation.issuerUrl,
      subject: federation.subject,
      audiences: [azureClouds[cloud].federationAudience],
    };
    const create = ['az', 'ad', 'app', 'federated-credential', 'create', '--id', clientId];
    commands.push(shellCommand(...create, '--parameters', JSON.stringify(parameters)));
  }
  for (const host of hosts.length === 0 ? ['REGISTRY'] : hosts) commands.push(...grant(clientId, host, purpose));
  return commands.join('\n');
}

/** Several accounts may use one app. Their credentials at the app need different names. */
function nameFor(subject: string): string {
  const account = subject.replace(/^.*:/, '').replaceAll(/[^\w-]/g, '');
  return `fairlead-${account}`.slice(0, 120);
}

function grant(clientId: string, host: string, purpose: RegistryPurpose): string[] {
  const show = shellCommand('az', 'acr', 'show', '--name', host.replace(/\..*$/, '').replace(/-.*$/, ''));
  const { usual, abac } = roles[purpose];
  const assign = shellCommand('az', 'role', 'assignment', 'create', '--assignee', clientId);
  return [
    `scope=$(${show} --query id --output tsv)`,
    `mode=$(${show} --query roleAssignmentMode --output tsv)`,
    `case "$mode" in *Abac*) role=${shellCommand(abac)} ;; *) role=${shellCommand(usual)} ;; esac`,
    `${assign} --role "$role" --scope "$scope"`,
  ];
}
