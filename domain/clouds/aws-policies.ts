import type { RegistryPurpose } from '../registries/registry-purposes.ts';

/** What a policy speaks of: one account's registry in one region, or its part of the public one (no region). */
export type EcrTarget = { partition: string; region?: string; accountId: string };

type Statement = { Sid?: string; Effect: 'Allow'; Action: string | string[]; Resource: string | string[] };

const pull = ['BatchCheckLayerAvailability', 'GetDownloadUrlForLayer', 'BatchGetImage'];
const push = ['InitiateLayerUpload', 'UploadLayerPart', 'CompleteLayerUpload', 'PutImage'];
/** Anybody may pull from the public registry. */
const pushToPublic = ['BatchCheckLayerAvailability', ...push];

/** Of a session policy, in characters: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html */
export const longestSessionPolicy = 2048;

/**
 * What an identity needs to pull, or to pull and push. The permission to get a token at all cannot be given for one
 * repository. Without repositories it is all of the account's.
 */
function ecrStatements(target: EcrTarget, actions: RegistryPurpose[], repositories?: string[]): Statement[] {
  const pushes = actions.includes('push');
  const names = repositories ?? ['*'];
  if (target.region === undefined) {
    const enter: Statement = {
      Effect: 'Allow',
      Action: ['ecr-public:GetAuthorizationToken', 'sts:GetServiceBearerToken'],
      Resource: '*',
    };
    const arns = names.map((name) => `arn:${target.partition}:ecr-public::${target.accountId}:repository/${name}`);
    const act = pushToPublic.map((action) => `ecr-public:${action}`);
    return pushes ? [enter, { Effect: 'Allow', Action: act, Resource: arns }] : [enter];
  }
  const arn = `arn:${target.partition}:ecr:${target.region}:${target.accountId}:repository`;
  const act = [...pull, ...(pushes ? push : [])].map((action) => `ecr:${action}`);
  return [
    { Effect: 'Allow', Action: 'ecr:GetAuthorizationToken', Resource: '*' },
    { Effect: 'Allow', Action: act, Resource: names.map((name) => `${arn}/${name}`) },
  ];
}

/** What a session is narrowed to; as short as it can be. */
export function ecrSessionPolicy(target: EcrTarget, actions: RegistryPurpose[], repositories?: string[]): string {
  return JSON.stringify({ Version: '2012-10-17', Statement: ecrStatements(target, actions, repositories) });
}

/** What somebody gives the role or the user, as a text to paste. */
export function ecrPermissionsPolicy(target: EcrTarget, actions: RegistryPurpose[], repositories?: string[]): string {
  return JSON.stringify({ Version: '2012-10-17', Statement: ecrStatements(target, actions, repositories) }, null, 2);
}
