export const registryKinds = ['dockerhub', 'oci', 'ecr', 'gar', 'acr'] as const;
export type RegistryKind = (typeof registryKinds)[number];

/** `host` is the name in image references. `origin` is the address of its API, without a slash at the end. */
type At = { host: string; origin: string };

export type DockerHubHost = At & { kind: 'dockerhub' };
export type OciHost = At & { kind: 'oci' };
export type EcrHost = At & {
  kind: 'ecr';
  partition: AwsPartition;
  region: string;
  /** Absent for ECR Public, whose host names no account. */
  account: string | undefined;
  fips: boolean;
  dualStack: boolean;
};
export type GarHost = At & {
  kind: 'gar';
  /** A region (`europe-west1`) or a multi-region (`europe`). Absent if the host does not name it. */
  location: string | undefined;
  /** The host of an old gcr.io registry, which has no repositories of its own. */
  isGcr: boolean;
  /** The Google Cloud that it belongs to: Google's own, or a sovereign one. */
  universe: 'googleapis.com' | 's3nsapis.fr';
};
export type AcrHost = At & { kind: 'acr'; cloud: AzureCloud };
export type RegistryHost = DockerHubHost | OciHost | EcrHost | GarHost | AcrHost;

export type AwsPartition =
  | 'aws'
  | 'aws-cn'
  | 'aws-us-gov'
  | 'aws-eusc'
  | 'aws-iso'
  | 'aws-iso-b'
  | 'aws-iso-e'
  | 'aws-iso-f';
export type AzureCloud = 'public' | 'china' | 'usgov';

/**
 * Returns the registry of a host, by anchored patterns; `oci` if it belongs to no known service. Takes a host
 * (`ghcr.io`, `harbor.acme.com:8443`) or an origin (`https://ghcr.io`). Undefined if the text is neither, or if it is
 * below a cloud's domain but not a registry of that cloud. Does not check whether Fairlead may reach it.
 */
export function registryHost(text: string): RegistryHost | undefined {
  const at = parse(text);
  if (!at) return undefined;
  // Known services have no port and never use plain HTTP.
  const isUsual = at.origin === `https://${at.host}`;
  const known = isUsual ? (dockerHub(at) ?? ecr(at) ?? gar(at) ?? acr(at)) : undefined;
  if (known) return known;
  return cloudKindOf(at.host) || aliases.has(at.host.replace(/:\d+$/, '')) ? undefined : { kind: 'oci', ...at };
}

/**
 * Returns the service that owns the domain of a host, whether or not the host is a registry. An error for a host given
 * as `oci` can then name the right provider.
 */
export function cloudKindOf(host: string): 'dockerhub' | 'ecr' | 'gar' | 'acr' | undefined {
  const name = host.toLowerCase().replace(/\.?(?::\d+)?$/, '');
  if (aliases.has(name)) return 'dockerhub';
  return owners.find(([domain]) => domain.test(name))?.[1];
}

const aliases = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io', 'registry.hub.docker.com']);

const owners: [RegExp, 'ecr' | 'gar' | 'acr'][] = [
  // Such a name would be mistaken for AWS, even if its domain has another owner.
  [/(?:^|\.)dkr[.-]ecr(?:-fips)?\.[a-z0-9.-]+$/, 'ecr'],
  [/^(?:public\.ecr\.aws|ecr-public\.aws\.com)$/, 'ecr'],
  [/(?:^|[.-])docker\.(?:pkg\.dev|s3nsregistry\.fr)$/, 'gar'],
  [/(?:^|\.)gcr\.io$/, 'gar'],
  [/\.azurecr\.(?:io|cn|us|de)$/, 'acr'],
];

/** Lower case, and only a host and a port: no user, path, query or fragment. */
function parse(text: string): At | undefined {
  const [, scheme = 'https', authority = ''] = /^(?:(https?):\/\/)?([^/]+?)\/?$/i.exec(withoutConfigKey(text)) ?? [];
  const [, host = '', port = ''] = /^([a-z0-9.-]{1,253})(?::(\d{1,5}))?$/.exec(authority.toLowerCase()) ?? [];
  if (!isHostName(host) || (port !== '' && !(Number(port) >= 1 && Number(port) <= 65_535))) return undefined;
  const address = `${scheme}://${authority}`;
  // URL rejects `x.0`, since its last label looks like that of an IPv4 address, and `xn--a.dev`, an invalid IDN.
  if (!URL.canParse(address)) return undefined;
  const url = new URL(address);
  // URL reads some numbers as IP addresses. The host that it would connect to must be the one in the text.
  return url.hostname === host ? { host: url.host, origin: url.origin } : undefined;
}

/** Docker Hub's key in Docker's own config.json. It is the only address with a path that people paste. */
function withoutConfigKey(text: string): string {
  return /^https:\/\/index\.docker\.io\/v[12]\/?$/i.test(text) ? 'index.docker.io' : text;
}

function isHostName(host: string): boolean {
  return host.split('.').every((label) => /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(label));
}

function dockerHub({ host }: At): DockerHubHost | undefined {
  if (!aliases.has(host)) return undefined;
  return { kind: 'dockerhub', host: 'docker.io', origin: 'https://registry-1.docker.io' };
}

/** The regions below each domain. The regions of one partition are never below the domain of another. */
const ecrDomains: { domain: string; dualStack?: true; partition: AwsPartition; regions: RegExp }[] = [
  { domain: 'amazonaws.com', partition: 'aws-us-gov', regions: /^us-gov-/ },
  { domain: 'amazonaws.com', partition: 'aws', regions: /^(?!cn-|us-gov-|us-iso|eu-iso|eusc-)/ },
  { domain: 'on.aws', dualStack: true, partition: 'aws-us-gov', regions: /^us-gov-/ },
  { domain: 'on.aws', dualStack: true, partition: 'aws', regions: /^(?!cn-|us-gov-|us-iso|eu-iso|eusc-)/ },
  { domain: 'amazonaws.com.cn', partition: 'aws-cn', regions: /^cn-/ },
  { domain: 'on.amazonwebservices.com.cn', dualStack: true, partition: 'aws-cn', regions: /^cn-/ },
  { domain: 'amazonaws.eu', partition: 'aws-eusc', regions: /^eusc-/ },
  { domain: 'c2s.ic.gov', partition: 'aws-iso', regions: /^us-iso-/ },
  { domain: 'sc2s.sgov.gov', partition: 'aws-iso-b', regions: /^us-isob-/ },
  { domain: 'cloud.adc-e.uk', partition: 'aws-iso-e', regions: /^eu-isoe-/ },
  { domain: 'csp.hci.ic.gov', partition: 'aws-iso-f', regions: /^us-isof-/ },
];

const ecrHost = /^(\d{12})\.dkr([.-])ecr(-fips)?\.([a-z]{2,4}(?:-[a-z]{2,12}){1,3}-\d{1,2})\.([a-z0-9.-]+)$/;

function ecr(at: At): EcrHost | undefined {
  if (at.host === 'public.ecr.aws' || at.host === 'ecr-public.aws.com') {
    const dualStack = at.host === 'ecr-public.aws.com';
    return { ...at, kind: 'ecr', partition: 'aws', region: 'us-east-1', account: undefined, fips: false, dualStack };
  }
  const [, account, separator, fips, region = '', domain] = ecrHost.exec(at.host) ?? [];
  const dualStack = separator === '-';
  const found = ecrDomains.find(
    (one) => one.domain === domain && (one.dualStack ?? false) === dualStack && one.regions.test(region),
  );
  if (!found) return undefined;
  return { ...at, kind: 'ecr', partition: found.partition, region, account, fips: fips !== undefined, dualStack };
}

const gcrLocations: Record<string, string> = { '': 'us', us: 'us', eu: 'europe', asia: 'asia' };

function gar(at: At): GarHost | undefined {
  if (at.host === 'docker.s3nsregistry.fr') {
    return { ...at, kind: 'gar', location: undefined, isGcr: false, universe: 's3nsapis.fr' };
  }
  const location = /^([a-z]{2,16}(?:-[a-z]{2,16}\d{1,2})?)-docker\.pkg\.dev$/.exec(at.host)?.[1];
  if (location) return { ...at, kind: 'gar', location, isGcr: false, universe: 'googleapis.com' };
  const [isGcr, side = ''] = /^(?:(us|eu|asia)\.)?gcr\.io$/.exec(at.host) ?? [];
  if (!isGcr) return undefined;
  return { ...at, kind: 'gar', location: gcrLocations[side], isGcr: true, universe: 'googleapis.com' };
}

const azureClouds: Record<string, AzureCloud> = { io: 'public', cn: 'china', us: 'usgov' };

/** `NAME.azurecr.io`, or `NAME-HASH.azurecr.io` for a name that several registries may have. */
function acr(at: At): AcrHost | undefined {
  const [, end = ''] = /^[a-z0-9]{5,50}(?:-[a-z0-9]{1,24})?\.azurecr\.(io|cn|us)$/.exec(at.host) ?? [];
  const cloud = azureClouds[end];
  return cloud && { ...at, kind: 'acr', cloud };
}
