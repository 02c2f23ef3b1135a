import { reportWorkflowId } from '../../domain/ops/workflow-ids.ts';
import { integrationDeleted } from '../integrations/usable-integrations.ts';
import { commandsIn } from '../store/commands.ts';
import type { Db } from '../store/connection.ts';
import type { BuildRow } from '../store/tables.ts';
import { type Build, codeName, toBuild } from './build-row.ts';

/** How long a claim holds after it was last renewed. No single request to the provider takes longer. */
const claimMs = 25_000;

/** What a process found out or reported while it had the claim. */
export type ReportNotes = {
  [Key in 'reportedStatus' | 'checkRunId' | 'checkStatus' | 'deploymentId' | 'deploymentStatus']?:
    | Build[Key]
    | undefined;
};

/**
 * Lets one process at a time report a build to the provider. A claim that is not renewed lapses, so that a killed
 * process does not block the others for long.
 */
export function buildReportsIn(db: Db) {
  const claimed = (id: string, claim: string) => db('builds').where({ id, report_claim: claim });

  return {
    /** Claims the build and returns its current state. Returns nothing if another process has the claim. */
    async claim(id: string, claim: string): Promise<Build | undefined> {
      const now = Date.now();
      const [row] = await db('builds')
        .where({ id })
        .where((free) => free.whereNull('report_claim').orWhere('report_claim_until', '<', now))
        .update({ report_claim: claim, report_claim_until: now + claimMs })
        .returning('*');
      return row && toBuild(row);
    },

    /** Renews the claim. Returns false if it lapsed and another process has it now. */
    async keep(id: string, claim: string): Promise<boolean> {
      return (await claimed(id, claim).update({ report_claim_until: Date.now() + claimMs })) > 0;
    },

    /** Stores the IDs of what the provider has made. They never change, so this needs no claim. */
    async noteMade(id: string, made: Pick<ReportNotes, 'checkRunId' | 'deploymentId'>): Promise<void> {
      await db('builds').where({ id }).update(columnsOf(made));
    },

    /**
     * Releases the claim and stores what was reported. `doubtUntil` is the time by which a request without a response
     * has surely ended.
     */
    async release(id: string, claim: string, { notes, doubtUntil }: { notes: ReportNotes; doubtUntil?: number }) {
      await claimed(id, claim).update({
        ...columnsOf(notes),
        ...(doubtUntil !== undefined && { report_doubt_until: doubtUntil }),
        report_claim: null,
        report_claim_until: null,
        updated_at: Date.now(),
      });
    },

    /**
     * Returns whether a later build of the same commit and pipeline sets the commit's status now. GitHub keeps one
     * status per name, and the name does not contain the build. Builds that are held back set no status.
     */
    async isOvertaken({ id, repositoryId, sha, pipeline }: Build): Promise<boolean> {
      const later = await db('builds')
        .where({ repository_id: repositoryId, sha, pipeline_id: pipeline.id })
        .where('id', '>', id)
        .whereNotIn('status', ['blocked', 'declined', 'skipped'])
        .select('id')
        .first();
      return later !== undefined;
    },

    /**
     * Requests a report for a build without a workflow that would send it. Call it in the transaction of the change to
     * report.
     */
    async request(
      build: Pick<
        Build,
        'id' | 'orgId' | 'projectId' | 'integrationId' | 'status' | 'repositoryId' | 'refName' | 'sha'
      >,
    ): Promise<void> {
      await commandsIn(db).add({
        action: 'signal_with_start',
        workflow: 'reportBuild',
        workflowId: reportWorkflowId(build.id),
        signal: 'moved',
        input: { buildId: build.id },
        attributes: {
          OrgId: build.orgId,
          ProjectId: build.projectId,
          IntegrationId: build.integrationId,
          BuildId: build.id,
          Kind: 'reportBuild',
          Phase: build.status,
        },
        summary: `Report the build of ${await codeName(db, build)} to GitHub. It is not started`,
      });
    },
  };
}

function columnsOf(notes: ReportNotes): Partial<BuildRow> {
  const { reportedStatus, checkRunId, checkStatus, deploymentId, deploymentStatus } = notes;
  return {
    ...(reportedStatus !== undefined && { reported_status: reportedStatus }),
    ...(checkRunId !== undefined && { check_run_id: checkRunId }),
    ...(checkStatus !== undefined && { check_status: checkStatus }),
    ...(deploymentId !== undefined && { deployment_id: deploymentId }),
    ...(deploymentStatus !== undefined && { deployment_status: deploymentStatus }),
  };
}

/**
 * The most builds to look at. The provider accepts about as many reports of an installation in the time that the caller
 * waits.
 */
const most = 100;

/**
 * Returns the builds of an integration that have ended since then and whose end the provider might not know yet, latest
 * first. Builds that were refused at their creation are never reported.
 */
export async function endedSince(db: Db, integrationId: string, since: number): Promise<Build[]> {
  const rows = await db('builds')
    .where({ integration_id: integrationId })
    .where('finished_at', '>=', since)
    .whereNot((refused) => refused.where({ reason: integrationDeleted, revision: 1 }))
    .where((untold) => {
      for (const told of ['reported_status', 'check_status', 'deployment_status'] as const) {
        untold.orWhereNull(told).orWhereNot(told, db.ref('status'));
      }
    })
    .orderBy('finished_at', 'desc')
    .limit(most);
  return rows.map(toBuild);
}

/** Returns the first part of the status report that the provider has refused. It might refuse the later parts too. */
export async function refusedPart(db: Db, { id, status }: Pick<Build, 'id' | 'status'>): Promise<string | undefined> {
  const events = await db('build_events').where({ build_id: id, type: 'report_refused' }).orderBy('id');
  const details = events.map(({ detail }) => JSON.parse(detail) as { status?: string; part?: string });
  return details.find((detail) => detail.status === status)?.part;
}
