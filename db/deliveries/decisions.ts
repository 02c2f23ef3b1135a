import type { Db } from '../store/connection.ts';
import type { DecisionRow } from '../store/tables.ts';
import { everything, type TenantScope, within } from '../store/tenant.ts';

/** What a delivery meant to one pipeline, and why. */
export type Decision = {
  deliveryId: string;
  pipelineId: string;
  orgId: string;
  projectId: string;
  outcome: 'build' | 'blocked' | 'skipped';
  reason: string;
  buildId: string | null;
  createdAt: number;
};

export function decisionsFor(db: Db, scope: TenantScope) {
  return {
    /** Claims the build: a second decision for the same delivery and pipeline is rejected. */
    async add(decision: Omit<Decision, 'createdAt'>): Promise<void> {
      await db('decisions').insert({
        delivery_id: decision.deliveryId,
        pipeline_id: decision.pipelineId,
        org_id: decision.orgId,
        project_id: decision.projectId,
        outcome: decision.outcome,
        reason: decision.reason,
        build_id: decision.buildId,
        created_at: Date.now(),
      });
    },

    async listOf(deliveryId: string): Promise<Decision[]> {
      const rows = within(scope, db('decisions')).where({ delivery_id: deliveryId }).orderBy('pipeline_id');
      return (await rows).map(toDecision);
    },
  };
}

/** Covers all tenants. Use it only with IDs that were authorized when they were stored. */
export const allDecisions = (db: Db) => decisionsFor(db, everything);

function toDecision(row: DecisionRow): Decision {
  return {
    deliveryId: row.delivery_id,
    pipelineId: row.pipeline_id,
    orgId: row.org_id,
    projectId: row.project_id,
    outcome: row.outcome as Decision['outcome'],
    reason: row.reason,
    buildId: row.build_id,
    createdAt: row.created_at,
  };
}
