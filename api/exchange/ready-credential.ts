import type { Claim } from '../../broker/exchange/issuance.ts';
import type { Issuer } from '../../db/exchange/issuers.ts';
import type { LeaseScope } from '../../db/exchange/leases.ts';
import type { Project } from '../../db/people/projects.ts';
import type { Transaction } from '../../db/store/connection.ts';

/** What is at hand for a caller, and is theirs once it is claimed in the transaction that says so. */
export type ReadyCredential = {
  project: Project;
  issuer: Issuer;
  /** The kinds of integrations that could have given it. */
  kinds: readonly string[];
  mintedTokenId: string;
  purpose: string;
  appId: string | null;
  buildId: string | null;
  expiresAt: number;
  scope: LeaseScope;
  /** What the answer says of it beside that. */
  effective: Record<string, unknown>;
  /** The secret, in the form that was asked for. */
  members: Record<string, unknown>;
  claim(trx: Transaction): Promise<Claim>;
  discard(): Promise<void>;
};
