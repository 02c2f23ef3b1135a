import { describe, expect, test } from 'vitest';
import {
  ecrPermissionsPolicy,
  ecrSessionPolicy,
  longestSessionPolicy,
  trustPolicyFor,
} from '../../../domain/clouds/aws-policies.ts';

describe('the trust policy', () => {
  test('accepts one principal, and only with the external id', () => {
    const text = trustPolicyFor({ principalArn: 'arn:aws:iam::111122223333:role/fairlead', externalId: 'fl-1' });

    expect(JSON.parse(text)).toEqual({
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Principal: { AWS: 'arn:aws:iam::111122223333:role/fairlead' },
          Action: 'sts:AssumeRole',
          Condition: { StringEquals: { 'sts:ExternalId': 'fl-1' } },
        },
      ],
    });
    expect(text).toContain('\n  "Version"');
  });

  test('names the role if Fairlead’s identity is a session of it', () => {
    const text = trustPolicyFor({
      principalArn: 'arn:aws-cn:sts::111122223333:assumed-role/fairlead/i-0abc',
      externalId: 'fl-1',
    });

    expect(text).toContain('"AWS": "arn:aws-cn:iam::111122223333:role/fairlead"');
  });

  test.each([
    ['https://fairlead.acme.dev', 'fairlead.acme.dev'],
    ['https://acme.dev/fairlead/', 'acme.dev/fairlead'],
    ['https://acme.dev:8443', 'acme.dev:8443'],
  ])('accepts one subject of the issuer %s', (issuerUrl, name) => {
    const text = trustPolicyFor({ issuerUrl, subject: 'cloud_account:ca_1', accountId: '444455556666' });

    expect(JSON.parse(text).Statement).toEqual([
      {
        Effect: 'Allow',
        Principal: { Federated: `arn:aws:iam::444455556666:oidc-provider/${name}` },
        Action: 'sts:AssumeRoleWithWebIdentity',
        Condition: {
          StringEquals: { [`${name}:aud`]: 'sts.amazonaws.com', [`${name}:sub`]: 'cloud_account:ca_1' },
        },
      },
    ]);
  });
});

describe('the permissions policy', () => {
  const target = { partition: 'aws-cn', region: 'cn-north-1', accountId: '444455556666' };
  const actions = (text: string) => JSON.parse(text).Statement.flatMap(({ Action }: { Action: string }) => Action);

  test('for pulling does not allow pushing', () => {
    const text = ecrPermissionsPolicy(target, ['pull'], ['acme/web']);

    expect(actions(text)).toEqual([
      'ecr:GetAuthorizationToken',
      'ecr:BatchCheckLayerAvailability',
      'ecr:GetDownloadUrlForLayer',
      'ecr:BatchGetImage',
    ]);
    expect(JSON.parse(text).Statement[1].Resource).toEqual([
      'arn:aws-cn:ecr:cn-north-1:444455556666:repository/acme/web',
    ]);
  });

  test('for pushing allows pulling', () => {
    expect(actions(ecrPermissionsPolicy(target, ['push']))).toEqual([
      'ecr:GetAuthorizationToken',
      'ecr:BatchCheckLayerAvailability',
      'ecr:GetDownloadUrlForLayer',
      'ecr:BatchGetImage',
      'ecr:InitiateLayerUpload',
      'ecr:UploadLayerPart',
      'ecr:CompleteLayerUpload',
      'ecr:PutImage',
    ]);
  });

  test('equals the session policy without the pull-through cache, and a session fits more than ten repositories', () => {
    const names = Array.from({ length: 12 }, (_, index) => `acme/some-service-${index}`);
    const narrow = ecrSessionPolicy(target, ['push'], names);

    const allowed = JSON.parse(ecrPermissionsPolicy(target, ['push'], names));
    allowed.Statement[1].Action.push('ecr:BatchImportUpstreamImage', 'ecr:CreateRepository');
    expect(JSON.parse(narrow)).toEqual(allowed);
    expect(narrow.length).toBeLessThan(longestSessionPolicy);
  });

  test('for ECR Public allows a token to pull, and names the account’s repositories to push', () => {
    const own = { partition: 'aws', accountId: '444455556666' };

    expect(actions(ecrPermissionsPolicy(own, ['pull'], ['web']))).toEqual([
      'ecr-public:GetAuthorizationToken',
      'sts:GetServiceBearerToken',
    ]);
    const [, act] = JSON.parse(ecrPermissionsPolicy(own, ['push'], ['web'])).Statement;
    expect(act.Resource).toEqual(['arn:aws:ecr-public::444455556666:repository/web']);
    expect(act.Action).toContain('ecr-public:PutImage');
  });
});
