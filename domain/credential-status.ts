import type { Moves } from './moves.ts';

export const credentialStatuses = [
  'pending',
  'active',
  'retiring',
  'retired',
  'purged',
  'rejected',
  'expired',
  'revoked',
  'uncertain',
] as const;

export type CredentialStatus = (typeof credentialStatuses)[number];

export const credentialMoves: Moves<CredentialStatus> = {
  pending: ['active', 'rejected', 'uncertain', 'revoked', 'purged'],
  uncertain: ['active', 'rejected', 'revoked', 'purged'],
  active: ['retiring', 'expired', 'revoked', 'purged'],
  retiring: ['active', 'retired', 'revoked', 'purged'],
  retired: ['purged'],
  expired: ['purged'],
  revoked: ['purged'],
  rejected: ['purged'],
  purged: [],
};

/** A webhook signed with any of these verifies; only the active one ever signs. */
export const verifyingCredentialStatuses: readonly CredentialStatus[] = ['pending', 'active', 'retiring'];
