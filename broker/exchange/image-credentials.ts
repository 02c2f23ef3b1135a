import { holdActive } from '../../db/clouds/cloud-accounts.ts';
import type { Database } from '../../db/store/connection.ts';
import type { Keyring } from '../../db/store/sealing.ts';
import type { EffectiveScope, RegistryPurpose } from '../../domain/registries/registry-purposes.ts';
import { ProviderError } from '../../providers/failure.ts';
import type { RegistryAccess } from '../registries/registry-access.ts';
import { createMinter, type Minted, type Wanted } from './minter.ts';

export type WantedImageCredential = Wanted & {
  /** Names below the registry's host; an empty list means everything that the identity reaches. */
  repositories: string[];
  purpose: RegistryPurpose;
  /** Whether the caller needs a token of the registry itself, rather than a password for a client's login. */
  bearer: boolean;
  /** The cloud account from which the registry inherits its access, as it was read with the request. */
  cloud: { id: string; epoch: number } | null;
  /** For unapproved code: the build shares its credential with no other caller. */
  alone: boolean;
};

/** A minted credential. `isStatic`: it is the stored password itself, which lives until its owner replaces it. */
export type ImageCredential = Minted & { username: string; host: string; effective: EffectiveScope; isStatic: boolean };

/** An hour, less a margin for the way to the caller. */
const usualTtlMs = 55 * 60_000;

/** The lifetime of a lease on a stored password, so that callers soon see a replaced one. */
export const staticLeaseMs = 60 * 60_000;

/** Mints credentials of registries. No provider can revoke them: they end when they expire. */
export function createImageCredentials({
  database,
  keyring,
  access,
}: {
  database: Database;
  keyring: Keyring;
  access: Pick<RegistryAccess, 'credential'>;
}) {
  return createMinter<WantedImageCredential, ImageCredential>({
    database,
    keyring,
    installationOf: () => null,
    revoke: async () => {},
    undo: async () => {},
    describe: ({ purpose, repositories, bearer }) => ({
      purpose,
      repositories: repositories.slice(0, 20).join(' ') || '*',
      ...(bearer && { form: 'bearer' }),
    }),

    keyOf: ({ purpose, repositories, bearer, cloud, alone, buildId, minTtlMs }) => [
      purpose,
      bearer,
      [...repositories].sort(),
      cloud,
      // A caller must not get a longer-lived credential because another caller has asked for one.
      longerThanUsual(minTtlMs) ?? null,
      alone ? buildId : null,
    ],

    async isCurrent(trx, { cloud }) {
      return !cloud || holdActive(trx, cloud);
    },

    async mint({ issuer, purpose, repositories, bearer, minTtlMs }) {
      const longer = longerThanUsual(minTtlMs);
      const minted = await access.credential(issuer.id, {
        projectId: issuer.projectId,
        purpose,
        repositories,
        bearer,
        ...(longer !== undefined && { minTtlMs: longer }),
      });
      if (minted.expiresAt !== null && minted.expiresAt <= Date.now()) throw isOver(minted.host);
      return {
        token: bearer ? (minted.bearer ?? minted.password) : minted.password,
        username: minted.username,
        host: minted.host,
        effective: minted.effective,
        isStatic: minted.expiresAt === null,
        expiresAt: minted.expiresAt ?? Date.now() + Math.max(staticLeaseMs, (minTtlMs ?? 0) + 60_000),
      };
    },
  });
}

/** Every credential lives for an hour; returns the lifetime only if the caller needs more. */
function longerThanUsual(minTtlMs: number | undefined): number | undefined {
  return minTtlMs !== undefined && minTtlMs > usualTtlMs ? minTtlMs : undefined;
}

/** A credential that has expired when it arrives, for example because the clocks differ. */
function isOver(host: string): ProviderError {
  const message = `The credential that was minted for ${host} has expired already, by its own account`;
  return new ProviderError({ provider: 'registry', code: 'unexpected', message });
}

export type ImageCredentials = ReturnType<typeof createImageCredentials>;
