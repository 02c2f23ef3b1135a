import { rotationsIn } from '../../db/secrets/rotations.ts';
import { ProviderError } from '../../providers/failure.ts';
import { Refusal } from '../refusals.ts';
import { kindOf, type RotationDeps, type RotationInput, requireRotation } from './rotation-steps.ts';

/** The steps of a rotation at the provider. Each step is safe to repeat. */
export function proveVersion({ database, connector }: Pick<RotationDeps, 'database' | 'connector'>) {
  /**
   * Makes GitHub sign with this version. The attempt is stored first and deleted only if GitHub certainly refused,
   * because a response can be lost.
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
    /** Fails permanently, with a code, if the provider does not accept the new version. */
    async proveVersion({ rotationId }: RotationInput): Promise<void> {
      const { phase, credentialId, newVersion: version } = await requireRotation(database.reader, rotationId);
      if (phase !== 'proving') return;
      const kind = await kindOf(database.reader, credentialId);
      if (kind === 'webhook_secret') return tell(rotationId, credentialId, version);
      if (await connector.isAccepted({ credentialId, version })) return;
      throw new Refusal(
        'credential_refused',
        kind === 'private_key'
          ? 'GitHub rejects this private key: it belongs to another App or was deleted. The previous key stays in use.'
          : 'GitHub rejects this client secret. The previous secret stays in use.',
      );
    },

    /** Does the same for the old version, which is used again. */
    async proveOldVersion({ rotationId }: RotationInput): Promise<void> {
      const { phase, credentialId, oldVersion: version } = await requireRotation(database.reader, rotationId);
      if (phase !== 'rolling_back') return;
      const kind = await kindOf(database.reader, credentialId);
      if (kind === 'webhook_secret') return tell(rotationId, credentialId, version);
      if (await connector.isAccepted({ credentialId, version })) return;
      throw new Refusal(
        'credential_refused',
        'GitHub no longer accepts the old version. The new version stays in use.',
      );
    },

    /**
     * If it is uncertain which version GitHub signs with, this sends the version in use again before the other one is
     * deleted.
     */
    async settleVersion({ rotationId }: RotationInput): Promise<void> {
      const { phase, credentialId, newVersion: version, toldAt } = await requireRotation(database.reader, rotationId);
      if (toldAt === null || (phase !== 'overlapping' && phase !== 'returning')) return;
      await connector.tellWebhookSecret({ credentialId, version });
      await database.write((trx) => rotationsIn(trx).note(rotationId, { toldAt: null }));
    },

    /**
     * Returns whether the old version still works. `dead` requires that GitHub refuses it and accepts the version in
     * use, because a host that refuses everything proves nothing.
     */
    async probeOldVersion({ rotationId }: RotationInput): Promise<'alive' | 'dead' | 'unknown'> {
      const { credentialId, oldVersion, newVersion } = await requireRotation(database.reader, rotationId);
      if (await connector.isAccepted({ credentialId, version: oldVersion })) return 'alive';
      return (await connector.isAccepted({ credentialId, version: newVersion })) ? 'dead' : 'unknown';
    },
  };
}
