import type { RegistryPurpose } from '../registries/registry-purposes.ts';

/** The resources of a policy: one account's registry in one region, or its part of the public registry (no region). */
export type EcrTarget = { partition: string; region?: string; accountId: string };

type Statement = { Sid?: string; Effect: 'Allow'; Action: string | string[]; Resource: string | string[] };

const pull = ['BatchCheckLayerAvailability', 'GetDownloadUrlForLayer', 'BatchGetImage'];
const push = ['InitiateLayerUpload', 'UploadLayerPart', 'CompleteLayerUpload', 'PutImage'];
/**
 * The actions of a pull through ECR's cache of another registry. It imports the image, and creates the repository on
 * the first pull.
 */
const pullThroughCache = ['BatchImportUpstreamImage', 'CreateRepository'];
/** Everyone may pull from the public registry. */
const pushToPublic = ['BatchCheckLayerAvailability', ...push];

/**
 * The longest session policy, in characters: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
 */
export const longestSessionPolicy = 2048;

/**
 * What an identity needs to pull, or to pull and push. The permission to get a token cannot be limited to one
 * repository. Without repositories, the policy covers all of the account's. `more` are actions at a private registry.
 */
function ecrStatements(
  target: EcrTarget,
  actions: RegistryPurpose[],
  repositories?: string[],
  more: string[] = [],
): Statement[] {
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
  const act = [...pull, ...(pushes ? push : []), ...more].map((action) => `ecr:${action}`);
  return [
    { Effect: 'Allow', Action: 'ecr:GetAuthorizationToken', Resource: '*' },
    { Effect: 'Allow', Action: act, Resource: names.map((name) => `${arn}/${name}`) },
  ];
}

/**
 * Returns the session policy, as short as possible. It only narrows what the role may do, so it allows a pull-through
 * cache. The permission policy leaves that access to the owner of the role.
 */
export function ecrSessionPolicy(target: EcrTarget, actions: RegistryPurpose[], repositories?: string[]): string {
  const statements = ecrStatements(target, actions, repositories, pullThroughCache);
  return JSON.stringify({ Version: '2012-10-17', Statement: statements });
}

/** The permission policy of the role or user, as text to paste. */
export function ecrPermissionsPolicy(target: EcrTarget, actions: RegistryPurpose[], repositories?: string[]): string {
  return JSON.stringify({ Version: '2012-10-17', Statement: ecrStatements(target, actions, repositories) }, null, 2);
}

/**
 * The trusted identity of a role: Fairlead's own identity at AWS with an external id for this account, or Fairlead as
 * an issuer.
 */
type Trusted =
  | { principalArn: string; externalId: string }
  | { issuerUrl: string; subject: string; accountId: string; partition?: string; audience?: string };

/** The audience that AWS's own tools send and its console proposes. */
const usualAudience = 'sts.amazonaws.com';

/**
 * The trust policy of a role, as text to paste. All parts of its condition must hold, and they hold for this account
 * only.
 */
export function trustPolicyFor(trusted: Trusted): string {
  return JSON.stringify({ Version: '2012-10-17', Statement: [statementFor(trusted)] }, null, 2);
}

function statementFor(trusted: Trusted): object {
  if ('principalArn' in trusted) {
    return {
      Effect: 'Allow',
      Principal: { AWS: roleOfSession(trusted.principalArn) },
      Action: 'sts:AssumeRole',
      Condition: { StringEquals: { 'sts:ExternalId': trusted.externalId } },
    };
  }
  const { accountId, subject, partition = 'aws', audience = usualAudience } = trusted;
  const issuer = issuerName(trusted.issuerUrl);
  return {
    Effect: 'Allow',
    Principal: { Federated: `arn:${partition}:iam::${accountId}:oidc-provider/${issuer}` },
    Action: 'sts:AssumeRoleWithWebIdentity',
    Condition: { StringEquals: { [`${issuer}:aud`]: audience, [`${issuer}:sub`]: subject } },
  };
}

/** AWS names an issuer by its URL without `https://`. */
function issuerName(issuerUrl: string): string {
  const { host, pathname } = new URL(issuerUrl);
  return `${host}${pathname}`.replace(/\/+$/, '');
}

/**
 * AWS names a session, and not the role, when a role asks for its identity. Sessions change, so the role is derived
 * from the session. The path of a role is not part of the session's name and is lost.
 */
function roleOfSession(arn: string): string {
  const [, partition, accountId, role] = /^arn:([\w-]+):sts::(\d{12}):assumed-role\/([^/]+)\/[^/]+$/.exec(arn) ?? [];
  return role === undefined ? arn : `arn:${partition}:iam::${accountId}:role/${role}`;
}
