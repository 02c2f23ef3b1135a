import { rotationsIn } from '../../db/secrets/rotations.ts';
import { ProviderError } from '../../providers/failure.ts';
import { Refusal } from '../refusals.ts';
import { kindOf, type RotationDeps, type RotationInput, requireRotation } from './rotation-steps.ts';

/** What the provider is shown, told and asked. Each step may be made again: the provider is where it was before. */
export function proveVersion({ database, connector }: Pick<RotationDeps, 'database' | 'connector'>) {
  /**
   * Has GitHub sign with this version. That GitHub may have been told is written down first and crossed out only where
   * it surely was not, since an answer may be lost.
   */
  async function tell(rotationId: string, credentialId: string, version: number): Promise<void> {
    const before = (await rotationsIn(database.reader).find(rotationId))?.toldAt ?? null;
    await database.write((trx) => rotationsIn(trx).note(rotationId, { toldAt: before ?? Date.now() }));
    try {
      await connector.tellWebhookSecret({ credentialId, version });
    } catch (error) {
      const isRefused = error instanceof ProviderError && error.status !== undefined && error.status < 500;
      if (before === null && isRefused) {
        await database.write((trx) => rotationsIn(trx).note(rotationId, { toldAt: null }));
      }
      throw error;
    }
  }

  return {
    /** Fails for good, with a code, where the provider does not take the new version. */
    async proveVersion({ rotationId }: RotationInput): Promise<void> {
      const { phase, credentialId, newVersion: version } = await requireRotation(database.reader, rotationId);
      if (phase !== 'proving') return;
      const kind = await kindOf(database.reader, credentialId);
      if (kind === 'webhook_secret') return tell(rotationId, credentialId, version);
      if (await connector.isAccepted({ credentialId, version })) return;
      throw new Refusal(
        'credential_refused',
        kind === 'private_key'
          ? 'GitHub does not take this private key for this App: it is another App’s, or it was deleted. The key before it stays in use.'
          : 'GitHub does not take this client secret for this App. The secret before it stays in use.',
      );
    },

    /** The same for the old version, which is to be used again. */
    async proveOldVersion({ rotationId }: RotationInput): Promise<void> {
      const { phase, credentialId, oldVersion: version } = await requireRotation(database.reader, rotationId);
      if (phase !== 'rolling_back') return;
      const kind = await kindOf(database.reader, credentialId);
      if (kind === 'webhook_secret') return tell(rotationId, credentialId, version);
      if (await connector.isAccepted({ credentialId, version })) return;
      throw new Refusal('credential_refused', 'GitHub does not take the old one any more. The new one stays in use.');
    },

    /**
     * Where it is not sure which version GitHub signs with, it is told once more of the one in use before the other is
     * forgotten.
     */
    async settleVersion({ rotationId }: RotationInput): Promise<void> {
      const { phase, credentialId, newVersion: version, toldAt } = await requireRotation(database.reader, rotationId);
      if (toldAt === null || (phase !== 'overlapping' && phase !== 'returning')) return;
      await connector.tellWebhookSecret({ credentialId, version });
      await database.write((trx) => rotationsIn(trx).note(rotationId, { toldAt: null }));
    },

    /**
     * Whether the old version is still good. `dead` only where GitHub refuses it and takes the one in use: a host that
     * refuses everything proves nothing.
     */
    async probeOldVersion({ rotationId }: RotationInput): Promise<'alive' | 'dead' | 'unknown'> {
      const { credentialId, oldVersion, newVersion } = await requireRotation(database.reader, rotationId);
      if (await connector.isAccepted({ credentialId, version: oldVersion })) return 'alive';
      return (await connector.isAccepted({ credentialId, version: newVersion })) ? 'dead' : 'unknown';
    },
  };
}
