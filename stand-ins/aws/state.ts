import { randomBytes } from 'node:crypto';

/** Whoever may sign: a user, or a session of a role. */
export type Identity = {
  accountId: string;
  arn: string;
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
  /** In ms. */
  expiresAt?: number;
  /** An inactive key is refused like an unknown one. */
  active: boolean;
  /** Actions, or `*`. */
  allowed: string[];
  /** What the session was narrowed to. */
  policy?: string;
};

export type Role = {
  arn: string;
  /** Principals, by ARN. */
  trusts: string[];
  /** Nothing where its trust policy does not ask for one. */
  externalId: string | undefined;
  /** Tokens of an issuer that is registered in the account. */
  tokens: string[];
  /** What it asks of a token of that issuer; without `sub` it lets in all whom the issuer speaks for. */
  federated?: { iss: string; aud: string; sub?: string };
  allowed: string[];
  maxSeconds: number;
};

/** A token for a registry that was given out, with what it was made from. */
export type IssuedToken = { password: string; arn: string; region: string; expiresAt: number; policy?: string };

export type State = ReturnType<typeof createState>;

export function createState() {
  return {
    identities: new Map<string, Identity>(),
    roles: new Map<string, Role>(),
    issued: [] as IssuedToken[],
    /** In ms: by how much AWS's clock is ahead of this machine's. */
    clockAheadMs: 0,
    /** Of a session's policy after AWS has packed it: the real measure is not known. */
    packedPolicyLimit: Number.POSITIVE_INFINITY,
    /** How long tokens for registries live; twelve hours with AWS. */
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

/** For actions on no resource, which are the only ones that these two services are asked for here. */
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
