import { ApplicationFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { withFailures } from '../../../activities/failures.ts';
import { checkActivities } from '../../../activities/registries/registry-watch.ts';
import { verificationActivities } from '../../../activities/registries/verification.ts';
import { healthFactsOf } from '../../../db/integrations/integration-health.ts';
import { requestVerification, verificationCommand } from '../../../db/registries/registry-verifications.ts';
import { sealedSecrets } from '../../../db/secrets/sealed-secrets.ts';
import { commandsIn } from '../../../db/store/commands.ts';
import type { Database } from '../../../db/store/connection.ts';
import type { IntegrationRow } from '../../../db/store/tables.ts';
import { registryPasswordKind } from '../../../domain/registries/registry-settings.ts';
import { registriesAt } from '../fakes/registries.ts';
import { keyring } from '../hooks.ts';
import { seed } from './seed.ts';

export type Owner = { orgId: string; projectId: string };

/** Watches registries as the worker does, without Temporal. The test's clock is the only one. */
export function watchScene(database: Database, origin: string) {
  const registryAccess = registriesAt(database, [origin]);
  const verification = verificationActivities({ database, keyring, registryAccess });
  const { probeRegistry } = withFailures({ probeRegistry: verification.probeRegistry });
  const checks = checkActivities({ database });

  /** Verifies as `verifyIntegration` does at its last attempt. */
  async function verify(integrationId: string, during = async () => {}): Promise<void> {
    const wish = await verification.beginVerification({ integrationId });
    if (wish === 'gone') return;
    await during();
    const environment = new MockActivityEnvironment({ attempt: 4, scheduledTimestampMs: Date.now() - 61_000 });
    try {
      await environment.run(probeRegistry, { integrationId, wish });
    } catch (error) {
      if (!(error instanceof ApplicationFailure)) throw error;
      const failure = { code: error.type ?? 'unknown', detail: error.message };
      await verification.giveUpVerification({ integrationId, failure });
    }
  }

  async function row(id: string): Promise<IntegrationRow> {
    const found = await database.reader('integrations').where({ id }).first();
    if (!found) throw new Error('It is not there');
    return found;
  }

  return {
    ...checks,
    row,

    /** A registry that has worked, and is due for its next check. */
    async add(owner: Owner, password: string, changes: Partial<IntegrationRow> = {}): Promise<string> {
      const now = Date.now();
      const settings = { registry: new URL(origin).host, username: 'robot', repositories: [] };
      const id = await seed(database).registry(owner, {
        host_url: origin,
        settings: JSON.stringify(settings),
        checked_at: now - 6 * 3_600_000,
        last_success_at: now - 6 * 3_600_000,
        next_check_at: now,
        ...changes,
      });
      await database.write((trx) =>
        sealedSecrets(trx, keyring).put({ integrationId: id }, owner.orgId, registryPasswordKind, password),
      );
      return id;
    },

    /** Checks all due registries at once, as the schedule does. Returns the checked ones. */
    async tick(): Promise<string[]> {
      await checks.watchRegistries();
      await checks.claimDueChecks();
      const commands = await database.reader('commands').where({ status: 'pending' }).orderBy('id');
      await database.write((trx) => trx('commands').update({ status: 'done' }));
      const ids = commands.map(({ input }) => (JSON.parse(input) as { integrationId: string }).integrationId);
      await Promise.all(ids.map((id) => verify(id)));
      return ids;
    },

    /** Verifies as a person requests it. `during` runs in the middle. */
    async asked(id: string, during?: () => Promise<void>): Promise<void> {
      const { org_id: orgId, project_id: projectId, host_url: hostUrl } = await row(id);
      await database.write((trx) => requestVerification(trx, { id, orgId, projectId, hostUrl }));
      await database.write((trx) => trx('commands').update({ status: 'done' }));
      await verify(id, during);
    },

    /** Runs the steps of a check that nothing has requested. */
    async unasked(integrationId: string): Promise<unknown> {
      const environment = new MockActivityEnvironment({ attempt: 4 });
      const verdict = await environment.run(probeRegistry, { integrationId, wish: 'asked' as const });
      await verification.giveUpVerification({ integrationId, failure: { code: 'timeout', detail: 'By hand' } });
      return verdict;
    },

    begin: (integrationId: string) => verification.beginVerification({ integrationId }),

    /** Stores a command for a check, without an operation that waits for it. */
    async requestedOnce(id: string, at: number): Promise<void> {
      const { org_id: orgId, project_id: projectId, host_url: hostUrl } = await row(id);
      await database.write(async (trx) => {
        await commandsIn(trx).add(verificationCommand({ id, orgId, projectId, hostUrl }));
        await trx('commands').where({ status: 'pending' }).update({ created_at: at, status: 'done' });
      });
    },

    async open(orgId: string) {
      const rows = await database.reader('incidents').where({ status: 'open', org_id: orgId }).orderBy('code');
      return rows.map(({ code, subject_id: subjectId, count }) => ({ code, subjectId, count }));
    },

    health: (id: string) => healthFactsOf(database.reader, id),
  };
}
