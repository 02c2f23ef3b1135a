/** Whom a role is to trust: Fairlead's own identity at AWS with an id made for this account, or Fairlead as an issuer. */
export type Trusted =
  | { principalArn: string; externalId: string }
  | { issuerUrl: string; subject: string; accountId: string; partition?: string; audience?: string };

/** What AWS's own tools send, and what its console proposes. */
const usualAudience = 'sts.amazonaws.com';

/** The trust policy of a role, as a text to paste. Each part of its condition must hold, and holds for us alone. */
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

/** AWS names an issuer by its address without `https://`. */
function issuerName(issuerUrl: string): string {
  const { host, pathname } = new URL(issuerUrl);
  return `${host}${pathname}`.replace(/\/+$/, '');
}

/**
 * Who asks AWS who it is, while it plays a role, is told its session, which is another one tomorrow: what lasts is the
 * role. A role's path is not part of the session's name, and is lost.
 */
function roleOfSession(arn: string): string {
  const [, partition, accountId, role] = /^arn:([\w-]+):sts::(\d{12}):assumed-role\/([^/]+)\/[^/]+$/.exec(arn) ?? [];
  return role === undefined ? arn : `arn:${partition}:iam::${accountId}:role/${role}`;
}
