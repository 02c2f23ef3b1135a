import type { AwsPartition } from '../registries/registry-hosts.ts';

type Names = {
  regions: RegExp;
  suffix: string;
  dualStackSuffix: string;
  /** The region to ask for an identity if nothing names one. */
  home: string;
};

/** The same as in the SDK's own table. A region must match one of these before it becomes part of a host name. */
const partitions: Record<AwsPartition, Names> = {
  aws: {
    regions: /^(?:us|eu|ap|sa|ca|me|af|il|mx)-[a-z]{4,12}-\d{1,2}$/,
    suffix: 'amazonaws.com',
    dualStackSuffix: 'api.aws',
    home: 'us-east-1',
  },
  'aws-cn': {
    regions: /^cn-[a-z]{4,12}-\d{1,2}$/,
    suffix: 'amazonaws.com.cn',
    dualStackSuffix: 'api.amazonwebservices.com.cn',
    home: 'cn-northwest-1',
  },
  'aws-us-gov': {
    regions: /^us-gov-[a-z]{4,12}-\d{1,2}$/,
    suffix: 'amazonaws.com',
    dualStackSuffix: 'api.aws',
    home: 'us-gov-west-1',
  },
  'aws-eusc': {
    regions: /^eusc-[a-z]{2}-[a-z]{4,12}-\d{1,2}$/,
    suffix: 'amazonaws.eu',
    dualStackSuffix: 'api.amazonwebservices.eu',
    home: 'eusc-de-east-1',
  },
  'aws-iso': {
    regions: /^us-iso-[a-z]{4,12}-\d{1,2}$/,
    suffix: 'c2s.ic.gov',
    dualStackSuffix: 'api.aws.ic.gov',
    home: 'us-iso-east-1',
  },
  'aws-iso-b': {
    regions: /^us-isob-[a-z]{4,12}-\d{1,2}$/,
    suffix: 'sc2s.sgov.gov',
    dualStackSuffix: 'api.aws.scloud',
    home: 'us-isob-east-1',
  },
  'aws-iso-e': {
    regions: /^eu-isoe-[a-z]{4,12}-\d{1,2}$/,
    suffix: 'cloud.adc-e.uk',
    dualStackSuffix: 'api.cloud-aws.adc-e.uk',
    home: 'eu-isoe-west-1',
  },
  'aws-iso-f': {
    regions: /^us-isof-[a-z]{4,12}-\d{1,2}$/,
    suffix: 'csp.hci.ic.gov',
    dualStackSuffix: 'api.aws.hci.ic.gov',
    home: 'us-isof-south-1',
  },
};

/** The network variant. The same service has several host names. */
export type AwsPlace = { partition: AwsPartition; region: string; fips: boolean; dualStack: boolean };

/**
 * Returns the default endpoint of a region, or of a partition without a region. Undefined if AWS has no such region.
 */
export function awsPlace(region: string | undefined, partition: AwsPartition = 'aws'): AwsPlace | undefined {
  const name = region ?? partitions[partition].home;
  const found = (Object.keys(partitions) as AwsPartition[]).find((id) => partitions[id].regions.test(name));
  return found && { partition: found, region: name, fips: false, dualStack: false };
}

export const awsServices = ['sts', 'ecr', 'ecrPublic'] as const;
export type AwsService = (typeof awsServices)[number];

/** Returns the origin of a service, or undefined if the region is not in the partition. */
export function awsEndpoint(service: AwsService, { partition, region, fips, dualStack }: AwsPlace): string | undefined {
  const { regions, suffix, dualStackSuffix } = partitions[partition];
  if (!regions.test(region)) return undefined;
  const end = `${region}.${dualStack ? dualStackSuffix : suffix}`;
  const api = dualStack ? '' : 'api.';
  switch (service) {
    case 'ecrPublic':
      return `https://${api}ecr-public.${end}`;
    case 'ecr':
      return `https://${api}ecr${fips ? '-fips' : ''}.${end}`;
    case 'sts':
      // GovCloud's plain name is the FIPS-validated one; no other name exists.
      return `https://sts${fips && !(partition === 'aws-us-gov' && !dualStack) ? '-fips' : ''}.${end}`;
  }
}

export type RoleArn = { partition: AwsPartition; accountId: string };

/** Paths and names that IAM accepts. None of their characters has a meaning in a policy. */
const role = /^arn:(aws[a-z-]{0,12}):iam::(\d{12}):role\/[\w+=,.@/-]{1,576}$/;

export function parseRoleArn(arn: string): RoleArn | undefined {
  const [, partition = '', accountId] = role.exec(arn) ?? [];
  return accountId && Object.hasOwn(partitions, partition)
    ? { partition: partition as AwsPartition, accountId }
    : undefined;
}
