import type { Database } from '../../db/store/connection.ts';
import type { Keyring } from '../../db/store/sealing.ts';
import type { EffectiveScope, RegistryPurpose } from '../../domain/registries/registry-purposes.ts';
import { ProviderError } from '../../providers/failure.ts';
import type { RegistryAccess } from '../registries/registry-access.ts';
import { createIssuance, type Made, type Request } from './issuance.ts';

export type RegistryWanted = Request & {
  /** Names below the registry's host; none where all that the identity reaches is meant. */
  repositories: string[];
  purpose: RegistryPurpose;
  /** A token of the registry's own, rather than what a client logs in with. */
  bearer: boolean;
  /** The access that a registry of a cloud inherits, as it was read with the request. */
  cloud: { id: string; epoch: number } | null;
  /** For code that nobody has vouched for: it shares what it gets with nobody. */
  alone: boolean;
};

/** What was made. `isStatic`: it is the stored password itself, and lives until somebody replaces it. */
export type RegistryIssue = Made & { username: string; host: string; effective: EffectiveScope; isStatic: boolean };

/** An hour, less what is lost on the way. */
const usualTtlMs = 55 * 60_000;

/** After so long a stored password is asked for anew, so that a replaced one is not used much longer. */
export const staticLeaseMs = 60 * 60_000;

/** Gives away credentials of registries. None of them can be revoked at its provider: it ends by itself. */
export function createRegistryExchange({
  database,
  keyring,
  access,
}: {
  database: Database;
  keyring: Keyring;
  access: Pick<RegistryAccess, 'credential'>;
}) {
  return createIssuance<RegistryWanted, RegistryIssue>({
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
      // Nobody is given what lives for longer because somebody else has asked for that.
      longerThanUsual(minTtlMs) ?? null,
      alone ? buildId : null,
    ],

    async isCurrent(trx, { cloud }) {
      if (!cloud) return true;
      const query = trx('cloud_accounts').where({ ...cloud, status: 'active' });
      if (trx.client.config.client === 'pg') query.forShare();
      return (await query.first('id')) !== undefined;
    },

    async make({ issuer, purpose, repositories, bearer, minTtlMs }) {
      const longer = longerThanUsual(minTtlMs);
      const made = await access.credential(issuer.id, {
        projectId: issuer.projectId,
        purpose,
        repositories,
        bearer,
        ...(longer !== undefined && { minTtlMs: longer }),
      });
      if (made.expiresAt !== null && made.expiresAt <= Date.now()) throw isOver(made.host);
      return {
        token: bearer ? (made.bearer ?? made.password) : made.password,
        username: made.username,
        host: made.host,
        effective: made.effective,
        isStatic: made.expiresAt === null,
        expiresAt: made.expiresAt ?? Date.now() + Math.max(staticLeaseMs, (minTtlMs ?? 0) + 60_000),
      };
    },
  });
}

/** What lives for an hour is what everybody is given; only more than that has to be asked for. */
function longerThanUsual(minTtlMs: number | undefined): number | undefined {
  return minTtlMs !== undefined && minTtlMs > usualTtlMs ? minTtlMs : undefined;
}

/** Nobody could use it; the clocks may differ. */
function isOver(host: string): ProviderError {
  const message = `What was made for ${host} is over already, by its own account`;
  return new ProviderError({ provider: 'registry', code: 'unexpected', message });
}

export type RegistryExchange = ReturnType<typeof createRegistryExchange>;
