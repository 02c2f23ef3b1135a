import { ECRClient } from '@aws-sdk/client-ecr';
import { ECRPUBLICClient } from '@aws-sdk/client-ecr-public';
import { STSClient } from '@aws-sdk/client-sts';
import { describe, expect, test } from 'vitest';
import { awsEndpoint, awsPlace, parseRoleArn } from '../../../domain/clouds/aws-partitions.ts';
import type { AwsPartition } from '../../../domain/registries/registry-hosts.ts';

const regions: [string, AwsPartition][] = [
  ['us-east-1', 'aws'],
  ['eu-west-1', 'aws'],
  ['ap-southeast-7', 'aws'],
  ['il-central-1', 'aws'],
  ['cn-north-1', 'aws-cn'],
  ['us-gov-west-1', 'aws-us-gov'],
  ['us-gov-east-1', 'aws-us-gov'],
  ['eusc-de-east-1', 'aws-eusc'],
  ['us-iso-east-1', 'aws-iso'],
  ['us-isob-east-1', 'aws-iso-b'],
  ['eu-isoe-west-1', 'aws-iso-e'],
  ['us-isof-south-1', 'aws-iso-f'],
];

describe('the addresses of AWS', () => {
  test.each(regions)('in %s are the ones that AWS’s clients use', (region, partition) => {
    const sts = new STSClient({ region }).config.endpointProvider;
    const ecr = new ECRClient({ region }).config.endpointProvider;
    for (const fips of [false, true]) {
      for (const dualStack of [false, true]) {
        const place = { partition, region, fips, dualStack };
        const asked = { Region: region, UseFIPS: fips, UseDualStack: dualStack };
        expect(`${awsEndpoint('sts', place)}/`).toBe(sts(asked).url.href);
        expect(`${awsEndpoint('ecr', place)}/`).toBe(ecr(asked).url.href);
      }
    }
  });

  test('of ECR Public are the ones that AWS’s client uses', () => {
    const provider = new ECRPUBLICClient({ region: 'us-east-1' }).config.endpointProvider;
    for (const dualStack of [false, true]) {
      const place = { partition: 'aws' as const, region: 'us-east-1', fips: false, dualStack };
      const expected = provider({ Region: 'us-east-1', UseFIPS: false, UseDualStack: dualStack });
      expect(`${awsEndpoint('ecrPublic', place)}/`).toBe(expected.url.href);
    }
  });

  test('do not exist for a region of another partition or an unknown one', () => {
    const place = { partition: 'aws' as const, fips: false, dualStack: false };
    for (const region of ['cn-north-1', 'us-gov-west-1', 'eu-west-1.evil', 'eu-west-1\n', 'evil', '']) {
      expect(awsEndpoint('sts', { ...place, region })).toBeUndefined();
    }
  });
});

describe('a place', () => {
  test.each(regions)('%s is in %s', (region, partition) => {
    expect(awsPlace(region)).toEqual({ partition, region, fips: false, dualStack: false });
  });

  test.each(regions)('besides %s, a default exists in %s', (_region, partition) => {
    expect(awsPlace(undefined, partition)).toMatchObject({ partition });
  });

  test('does not exist elsewhere', () => {
    for (const region of ['', 'eu', 'eu-west', 'EU-WEST-1', 'eu-west-1/', 'xx-west-1']) {
      expect(awsPlace(region)).toBeUndefined();
    }
  });
});

describe('the ARN of a role', () => {
  test('contains its partition and its account', () => {
    expect(parseRoleArn('arn:aws-cn:iam::123456789012:role/ci/deploy@acme')).toEqual({
      partition: 'aws-cn',
      accountId: '123456789012',
    });
  });

  test.each([
    'arn:aws:iam::123456789012:user/somebody',
    'arn:aws:sts::123456789012:assumed-role/fairlead/int_1',
    'arn:aws-x:iam::123456789012:role/fairlead',
    'arn:constructor:iam::123456789012:role/fairlead',
    'arn:aws:iam::12345678901:role/fairlead',
    'arn:aws:iam::123456789012:role/',
    'arn:aws:iam::123456789012:role/a b',
    'arn:aws:iam::123456789012:role/*',
    'arn:aws:iam::123456789012:role/fairlead\n',
    '',
  ])('rejects %j', (arn) => {
    expect(parseRoleArn(arn)).toBeUndefined();
  });
});
