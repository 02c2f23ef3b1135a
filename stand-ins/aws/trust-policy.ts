import type { Role } from './state.ts';

type Statement = {
  Effect: string;
  Principal: { AWS?: string; Federated?: string };
  Action: string;
  Condition?: { StringEquals?: Record<string, string> };
};

/** Parses a pasted trust policy. Throws if it contains anything that this stand-in does not understand. */
export function trustIn(policy: string): Pick<Role, 'trusts' | 'externalId'> & Partial<Pick<Role, 'federated'>> {
  const { Statement: statements } = JSON.parse(policy) as { Statement: Statement[] };
  const [statement, ...more] = statements;
  if (!statement || more.length > 0 || statement.Effect !== 'Allow') throw notUnderstood(policy);
  const { Principal, Action, Condition = {} } = statement;
  const { StringEquals: asked = {}, ...others } = Condition;
  if (Object.keys(others).length > 0) throw notUnderstood(policy);

  if (Action === 'sts:AssumeRole' && Principal.AWS !== undefined) {
    const { 'sts:ExternalId': externalId, ...rest } = asked;
    if (Object.keys(rest).length > 0) throw notUnderstood(policy);
    return { trusts: [Principal.AWS], externalId };
  }
  const [, issuer] = /:oidc-provider\/(.+)$/.exec(Principal.Federated ?? '') ?? [];
  if (Action !== 'sts:AssumeRoleWithWebIdentity' || issuer === undefined) throw notUnderstood(policy);
  const { [`${issuer}:aud`]: aud, [`${issuer}:sub`]: sub, ...rest } = asked;
  if (aud === undefined || Object.keys(rest).length > 0) throw notUnderstood(policy);
  const federated = { iss: `https://${issuer}`, aud, ...(sub !== undefined && { sub }) };
  return { trusts: [], externalId: '', federated };
}

function notUnderstood(policy: string): Error {
  return new Error(`This stand-in does not understand the trust policy ${policy}`);
}
