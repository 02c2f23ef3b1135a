import { buildWorkflowId, reportWorkflowId } from '../../domain/ops/workflow-ids.ts';
import { integrationDeleted } from '../integrations/usable-integrations.ts';
import { commandsIn } from '../store/commands.ts';
import type { Db } from '../store/connection.ts';
import type { BuildRow } from '../store/tables.ts';
import { type Build, toBuild } from './build-row.ts';

/** For how long a claim holds after it was last kept: longer than any single request to the provider. */
const claimMs = 25_000;

/** What was found out, or told, while a build was reported. */
export type ReportNotes = {
  [Key in 'reportedStatus' | 'checkRunId' | 'checkStatus' | 'deploymentId' | 'deploymentStatus']?:
    | Build[Key]
    | undefined;
};

/**
 * One at a time tells the provider of a build. A claim that is not kept lapses, so that a process that was killed
 * holds nobody up for long.
 */
export function buildReportsIn(db: Db) {
  const claimed = (id: string, claim: string) => db('builds').where({ id, report_claim: claim });

  return {
    /** The build as it is now, for whoever may report it now; nothing where somebody else does. */
    async claim(id: string, claim: string): Promise<Build | undefined> {
      const now = Date.now();
      const [row] = await db('builds')
        .where({ id })
        .where((free) => free.whereNull('report_claim').orWhere('report_claim_until', '<', now))
        .update({ report_claim: claim, report_claim_until: now + claimMs })
        .returning('*');
      return row && toBuild(row);
    },

    /** False where it has lapsed and somebody else has it by now. */
    async keep(id: string, claim: string): Promise<boolean> {
      return (await claimed(id, claim).update({ report_claim_until: Date.now() + claimMs })) > 0;
    },

    /** What the provider has made does not change any more, whoever has the claim. */
    async noteMade(id: string, made: Pick<ReportNotes, 'checkRunId' | 'deploymentId'>): Promise<void> {
      await db('builds').where({ id }).update(columnsOf(made));
    },

    /** Gives the claim back with what was told. `doubtUntil`: when a request without an answer has surely ended. */
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
     * Whether a later build of the same commit and pipeline tells the commit's status by now: a status has a name,
     * and which build it speaks of is not part of it. Builds that are held back tell nothing.
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

    /** For a build that has no workflow which would report it: written in the transaction of what is to be told. */
    async request(build: Pick<Build, 'id' | 'orgId' | 'projectId' | 'integrationId' | 'status'>): Promise<void> {
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
        summary: `Tell GitHub of ${buildWorkflowId(build.id)}, which is not started`,
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

/** How many are looked at: the provider takes about as many reports of an installation in the time that is waited. */
const most = 100;

/**
 * The builds of an integration that have ended since then and of whose end the provider may not know yet, latest
 * first. Those that were refused when they were made are not told at all.
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

/** The first part of the report of the build's status that the provider has refused; what comes after it may be, too. */
export async function refusedPart(db: Db, { id, status }: Pick<Build, 'id' | 'status'>): Promise<string | undefined> {
  const events = await db('build_events').where({ build_id: id, type: 'report_refused' }).orderBy('id');
  const details = events.map(({ detail }) => JSON.parse(detail) as { status?: string; part?: string });
  return details.find((detail) => detail.status === status)?.part;
}
