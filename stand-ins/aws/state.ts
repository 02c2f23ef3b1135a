import { randomBytes } from 'node:crypto';

/** An identity that can sign: a user or a session of a role. */
export type Identity = {
  accountId: string;
  arn: string;
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
  /** In ms. */
  expiresAt?: number;
  /** AWS rejects an inactive key like an unknown one. */
  active: boolean;
  /** Actions, or `*`. */
  allowed: string[];
  /** The policy that restricts the session. */
  policy?: string;
};

export type Role = {
  arn: string;
  /** Principals, by ARN. */
  trusts: string[];
  /** Undefined if the trust policy requires none. */
  externalId: string | undefined;
  /** Trust in the tokens of an issuer that is registered in the account. */
  tokens: string[];
  /** The conditions for a token of that issuer. Without `sub` every subject of the issuer is accepted. */
  federated?: { iss: string; aud: string; sub?: string };
  allowed: string[];
  maxSeconds: number;
};

/** A registry token and the session that it was created from. */
export type IssuedToken = { password: string; arn: string; region: string; expiresAt: number; policy?: string };

export type State = ReturnType<typeof createState>;

export function createState() {
  return {
    identities: new Map<string, Identity>(),
    roles: new Map<string, Role>(),
    issued: [] as IssuedToken[],
    /** How far AWS's clock is ahead of this machine's, in ms. */
    clockAheadMs: 0,
    /** The largest size of a packed session policy. The real measure is not known. */
    packedPolicyLimit: Number.POSITIVE_INFINITY,
    /** The lifetime of registry tokens. AWS uses twelve hours. */
    tokenSeconds: 43_200,
  };
}

export class Refused extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export function nowIn(state: State): number {
  return Date.now() + state.clockAheadMs;
}

export function newKeys(prefix: 'AKIA' | 'ASIA') {
  return {
    accessKeyId: `${prefix}${randomBytes(8).toString('hex').toUpperCase()}`,
    secretAccessKey: randomBytes(30).toString('base64'),
  };
}

type Statement = { Action: string | string[]; Resource: string | string[] };

/** Whether a session may use actions without a resource, which are the only ones in use here. */
export function requireAction(identity: Identity, action: string, status: number, code: string): void {
  const statements = identity.policy
    ? (JSON.parse(identity.policy) as { Statement: Statement[] }).Statement
    : undefined;
  const narrowed = statements?.some(({ Action, Resource }) => [Action].flat().includes(action) && Resource === '*');
  const owned = identity.allowed.includes(action) || identity.allowed.includes('*');
  if (owned && narrowed !== false) return;
  const whose = owned ? 'session' : 'identity-based';
  throw new Refused(
    status,
    code,
    `User: ${identity.arn} is not authorized to perform: ${action} on resource: * because no ${whose} policy allows the ${action} action`,
  );
}
