import type { GitHubConnector } from '../../broker/connect/github-connect.ts';
import { githubAppsIn } from '../../db/github/github-apps.ts';
import { requestSync } from '../../db/github/installations.ts';
import { appendAudit } from '../../db/ops/audit.ts';
import { allIncidents } from '../../db/ops/incidents.ts';
import { allOperations } from '../../db/ops/operations.ts';
import { credentialsIn } from '../../db/secrets/credentials.ts';
import { githubAppSecrets } from '../../db/secrets/github-app-secrets.ts';
import { type Rotation, rotationsIn } from '../../db/secrets/rotations.ts';
import { ifReadable } from '../../db/secrets/sealed-secrets.ts';
import type { Database, Db, Transaction } from '../../db/store/connection.ts';
import type { Keyring } from '../../db/store/sealing.ts';
import { keyFingerprint } from '../../domain/secrets/key-fingerprint.ts';
import {
  isFinalRotationPhase,
  oldAliveIncidentMs,
  oldAliveMs,
  type RotationPhase,
  shortestOverlapMs,
} from '../../domain/secrets/rotation-phase.ts';
import { noteAppAccepted } from '../github/sync-report.ts';
import { Refusal } from '../refusals.ts';

/**
 * The next step of a rotation. `overlap` ends after a fixed time, and `probe` ends when the old version no longer
 * works.
 */
export type RotationStand = {
  step: 'prove' | 'overlap' | 'probe' | 'roll_back' | 'over';
  phase: RotationPhase;
  /** Whether the new version is a webhook secret. Every process must know it before GitHub does. */
  isWebhook: boolean;
  /** Whether the old version ends as soon as the new one is in use. */
  immediate: boolean;
  /** The code of the failure that ended the rotation. */
  reason?: string;
};

/** A failure, as an operation shows it. */
type Failure = { code: string; detail: string };

/** Only a person can delete the old version at GitHub. */
const oldAlive = 'old_key_still_alive';

/** The steps of a rotation that use only the database. */
export function rotationSteps({ database, keyring }: Pick<RotationDeps, 'database' | 'keyring'>) {
  return {
    /** A rotation that does not exist has ended, and so has one whose credential was deleted. */
    async readRotation({ rotationId }: RotationInput): Promise<RotationStand> {
      if (await isCredentialGone(database.reader, await rotationsIn(database.reader).find(rotationId))) {
        await database.write(async (trx) => {
          const open = await rotationsIn(trx).take(rotationId);
          if (open && (await isCredentialGone(trx, open))) await abandon(trx, open);
        });
      }
      const rotation = await rotationsIn(database.reader).find(rotationId);
      if (!rotation) return { step: 'over', phase: 'abandoned', isWebhook: false, immediate: false };
      const isWebhook = (await kindOf(database.reader, rotation.credentialId)) === 'webhook_secret';
      const { phase, immediate } = rotation;
      const stand = { step: stepOf(phase, isWebhook), phase, isWebhook, immediate };
      if (stand.step !== 'over') return stand;
      const errorCode = (await allOperations(database.reader).find(rotation.operationId))?.errorCode;
      return errorCode ? { ...stand, reason: errorCode } : stand;
    },

    /** Puts the new version in use. The old version stays valid for some time. */
    async cutOver({ rotationId }: RotationInput): Promise<void> {
      await database.write(async (trx) => {
        const rotation = await rotationsIn(trx).take(rotationId);
        if (rotation?.phase !== 'proving') return;
        const { credentialId, newVersion, oldVersion, operationId } = rotation;
        if (!(await isUsable(trx, credentialId, newVersion))) return abandon(trx, rotation);
        const credentials = credentialsIn(trx);
        await credentials.move(credentialId, oldVersion, 'retiring');
        await credentials.move(credentialId, newVersion, 'active');
        await rotationsIn(trx).move(rotationId, 'overlapping', { toldAt: null });
        await allOperations(trx).end(operationId);
        await noteKeyTaken(trx, credentialId);
        await record(trx, rotation, 'credential.rotated', { version: newVersion });
      });
    },

    /** Rejects the new version. If the provider may have received it, webhooks signed with it still verify. */
    async giveUpProof({ rotationId, ...failure }: RotationInput & Failure): Promise<void> {
      await database.write(async (trx) => {
        const rotation = await rotationsIn(trx).take(rotationId);
        if (rotation?.phase !== 'proving') return;
        const { credentialId, newVersion, operationId, toldAt } = rotation;
        if (!(await isUsable(trx, credentialId, newVersion))) return abandon(trx, rotation);
        const end = toldAt === null ? 'rejected' : 'uncertain';
        await credentialsIn(trx).move(credentialId, newVersion, end);
        if (end === 'rejected') await githubAppSecrets(trx, keyring).blank(credentialId, newVersion);
        await rotationsIn(trx).move(rotationId, end);
        await allOperations(trx).end(operationId, failure);
        await record(
          trx,
          rotation,
          'credential.rotation_failed',
          { version: newVersion, code: failure.code },
          'failed',
        );
      });
    },

    /** Puts the old version in use again. The new version is the one to end. */
    async cutBack({ rotationId }: RotationInput): Promise<void> {
      await database.write(async (trx) => {
        const rotation = await rotationsIn(trx).take(rotationId);
        if (rotation?.phase !== 'rolling_back') return;
        const { credentialId, newVersion, oldVersion, rollbackOperationId } = rotation;
        if (!(await isUsable(trx, credentialId, oldVersion))) return abandon(trx, rotation);
        const credentials = credentialsIn(trx);
        await credentials.move(credentialId, newVersion, 'retiring');
        await credentials.move(credentialId, oldVersion, 'active');
        const swapped = { newVersion: oldVersion, oldVersion: newVersion, toldAt: null };
        await rotationsIn(trx).move(rotationId, 'returning', swapped);
        if (rollbackOperationId) await allOperations(trx).end(rollbackOperationId);
        await noteKeyTaken(trx, credentialId);
        await record(trx, rotation, 'credential.rolled_back', { version: oldVersion });
      });
    },

    /** Continues the rotation if the old version cannot be put back. */
    async giveUpRollback({ rotationId, ...failure }: RotationInput & Failure): Promise<void> {
      await database.write(async (trx) => {
        const rotation = await rotationsIn(trx).take(rotationId);
        if (rotation?.phase !== 'rolling_back') return;
        const { credentialId, oldVersion, rollbackOperationId } = rotation;
        await rotationsIn(trx).move(rotationId, 'overlapping');
        await credentialsIn(trx).prolong(credentialId, oldVersion);
        if (rollbackOperationId) await allOperations(trx).end(rollbackOperationId, failure);
        await record(
          trx,
          rotation,
          'credential.rollback_failed',
          { version: oldVersion, code: failure.code },
          'failed',
        );
      });
    },

    /**
     * Ends the rotation and deletes the old version. `isDead` says that the provider has refused the old version.
     * Otherwise the version still works there, and an incident stays open. Returns false if it is too early.
     */
    async retireOldVersion({ rotationId, isDead }: RotationInput & { isDead: boolean }): Promise<boolean> {
      return database.write(async (trx) => {
        const rotation = await rotationsIn(trx).take(rotationId);
        if (rotation?.phase !== 'overlapping' && rotation?.phase !== 'returning') return true;
        if (!(await mayRetire(trx, rotation, isDead))) return false;
        const { credentialId, oldVersion } = rotation;
        const credentials = credentialsIn(trx);
        await credentials.move(credentialId, oldVersion, 'retired');
        await credentials.move(credentialId, oldVersion, 'purged');
        await credentials.purgeOthers(credentialId);
        await rotationsIn(trx).move(rotationId, rotation.phase === 'overlapping' ? 'done' : 'rolled_back');
        if (isDead) await allIncidents(trx).resolveSubject(oldAlive, credentialId);
        await record(trx, rotation, 'credential.purged', { version: oldVersion, seen_dead: isDead });
        return true;
      });
    },

    async reportOldAlive({ rotationId }: RotationInput): Promise<void> {
      await database.write(async (trx) => {
        const rotation = await rotationsIn(trx).take(rotationId);
        if (rotation?.phase !== 'overlapping' && rotation?.phase !== 'returning') return;
        const { orgId, projectId, credentialId, oldVersion, updatedAt } = rotation;
        if (Date.now() < updatedAt + oldAliveIncidentMs - clockMarginMs) return;
        const kind = await kindOf(trx, credentialId);
        const secret = await ifReadable(githubAppSecrets(trx, keyring).secretOf(credentialId, oldVersion));
        if (secret === undefined) return;
        const fingerprint = kind === 'private_key' ? keyFingerprint(secret) : undefined;
        const what = kind === 'private_key' ? 'private key' : 'client secret';
        await allIncidents(trx).raise({
          orgId,
          projectId,
          code: oldAlive,
          subjectId: credentialId,
          title: `GitHub still accepts the App’s old ${what}`,
          action: `Delete the old ${what}${fingerprint ? ` (SHA256:${fingerprint})` : ''} in the App’s settings on GitHub`,
        });
      });
    },
  };
}

function stepOf(phase: RotationPhase, isWebhook: boolean): RotationStand['step'] {
  if (phase === 'proving') return 'prove';
  if (phase === 'rolling_back') return 'roll_back';
  if (phase === 'overlapping' || phase === 'returning') return isWebhook ? 'overlap' : 'probe';
  return 'over';
}

export async function requireRotation(db: Db, rotationId: string): Promise<Rotation> {
  const rotation = await rotationsIn(db).find(rotationId);
  if (!rotation) throw new Refusal('gone', 'The rotation no longer exists.');
  return rotation;
}

export async function kindOf(db: Db, credentialId: string): Promise<string | undefined> {
  return (await credentialsIn(db).find(credentialId))?.kind;
}

/**
 * Returns whether the old version may end now. `isDead` counts only for a key and a client secret, because Fairlead has
 * asked their provider. The time counts from the row, because an attacker who reaches Temporal can start a workflow
 * with another time.
 */
async function mayRetire(db: Db, { credentialId, updatedAt, immediate }: Rotation, isDead: boolean): Promise<boolean> {
  if (immediate) return true;
  const isWebhook = (await kindOf(db, credentialId)) === 'webhook_secret';
  if (isDead && !isWebhook) return true;
  const needed = isWebhook ? shortestOverlapMs : oldAliveMs;
  return Date.now() >= updatedAt + needed - clockMarginMs;
}

/** The clocks of several hosts and of Temporal differ by less than this. */
const clockMarginMs = 60_000;

/** Does nothing if the integration and its secret were deleted in between. */
async function isUsable(db: Db, credentialId: string, version: number): Promise<boolean> {
  const status = await credentialsIn(db).statusOf(credentialId, version);
  return status === 'pending' || status === 'uncertain' || status === 'retiring';
}

/**
 * GitHub has just accepted the private key in use, so this clears the incident at once. A sync with the old key can
 * still report a refusal, so this requests a new sync that runs after it.
 */
async function noteKeyTaken(trx: Transaction, credentialId: string): Promise<void> {
  const credential = await credentialsIn(trx).find(credentialId);
  if (credential?.kind !== 'private_key' || credential.githubAppId === null) return;
  const app = await githubAppsIn(trx).find(credential.githubAppId);
  if (!app) return;
  await noteAppAccepted(trx, app, true);
  await requestSync(trx, app.id);
}

async function isCredentialGone(db: Db, rotation: Rotation | undefined): Promise<boolean> {
  if (!rotation || isFinalRotationPhase(rotation.phase)) return false;
  return (await credentialsIn(db).statusOf(rotation.credentialId, rotation.newVersion)) === 'purged';
}

/** Resolves the incident, because the old version no longer exists here. */
async function abandon(trx: Transaction, rotation: Rotation): Promise<void> {
  const failure = { code: 'credential_gone', detail: 'The credential was deleted during the rotation.' };
  await rotationsIn(trx).move(rotation.id, 'abandoned');
  await allIncidents(trx).resolveSubject(oldAlive, rotation.credentialId);
  const operations = allOperations(trx);
  for (const id of [rotation.operationId, rotation.rollbackOperationId]) if (id) await operations.end(id, failure);
  await record(trx, rotation, 'credential.rotation_failed', { code: failure.code }, 'failed');
}

async function record(
  trx: Transaction,
  { orgId, projectId, credentialId, id, requestedBy }: Rotation,
  action: string,
  detail: Record<string, string | number | boolean>,
  outcome: 'succeeded' | 'failed' = 'succeeded',
): Promise<void> {
  await appendAudit(trx, {
    orgId,
    projectId,
    actor: 'system',
    action,
    target: credentialId,
    outcome,
    detail: { rotation: id, requested_by: requestedBy, ...detail },
  });
}

export type RotationDeps = {
  database: Database;
  keyring: Keyring;
  connector: Pick<GitHubConnector, 'isAccepted' | 'tellWebhookSecret'>;
};

export type RotationInput = { rotationId: string };
