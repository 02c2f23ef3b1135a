import type { Moves } from '../moves.ts';

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

/**
 * A webhook that is signed with a version in any of these states is valid. `pending`: the provider signs with it before
 * Fairlead knows that it was stored. `uncertain`: the provider may have stored it.
 */
export const verifyingCredentialStatuses: readonly CredentialStatus[] = ['pending', 'uncertain', 'active', 'retiring'];

export const githubSecretKinds = ['private_key', 'webhook_secret', 'client_secret'] as const;

export type GithubSecretKind = (typeof githubSecretKinds)[number];
