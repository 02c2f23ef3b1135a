import { z } from 'zod';
import type { Operation } from '../../db/ops/operations.ts';
import { type RevocationOutcome, revocationOutcomes } from '../../domain/deletion/revocation.ts';
import { epochSeconds, toSeconds } from './input.ts';

export const OperationView = z
  .object({
    id: z.string(),
    kind: z.string(),
    subject_id: z.string(),
    status: z.enum(['running', 'succeeded', 'failed']),
    error: z.object({ code: z.string(), detail: z.string() }).nullable(),
    waits_for: z
      .object({ code: z.string(), detail: z.string(), since: epochSeconds })
      .nullable()
      .describe(
        'What a running operation waits for: a provider that failed the last attempt (`code` is its failure code), `builds` or `integrations` that must end first, work ahead of it (`queued`), or this Fairlead instance (`no_worker`, `temporal_away`). `null` if nothing holds it up, and in the response that creates the operation',
      ),
    outcome: z
      .enum(revocationOutcomes)
      .nullable()
      .describe('For a finished integration deletion: what happened at the provider'),
    workflow_id: z.string(),
    status_url: z.string(),
    temporal_url: z.string().nullable().describe('The workflow in the Temporal UI, if one is configured'),
    created_at: epochSeconds,
    finished_at: epochSeconds.nullable(),
  })
  .meta({ id: 'Operation' });

export const Accepted = z.object({ operation: OperationView }).meta({ id: 'AcceptedOperation' });

export type OperationLinks = { publicUrl: string; temporalUiUrl?: string | undefined; namespace: string };

export function temporalUrl({ temporalUiUrl, namespace }: OperationLinks, workflowId: string): string | null {
  if (!temporalUiUrl) return null;
  return `${temporalUiUrl}/namespaces/${namespace}/workflows/${encodeURIComponent(workflowId)}`;
}

export function operationView(operation: Operation, links: OperationLinks): z.input<typeof OperationView> {
  return {
    id: operation.id,
    kind: operation.kind,
    subject_id: operation.subjectId,
    status: operation.status,
    waits_for: operation.waitsFor && { ...operation.waitsFor, since: toSeconds(operation.waitsFor.since) },
    outcome: operation.outcome as RevocationOutcome | null,
    error: operation.errorCode === null ? null : { code: operation.errorCode, detail: operation.errorDetail ?? '' },
    workflow_id: operation.workflowId,
    status_url: `${links.publicUrl}/v1/operations/${operation.id}`,
    temporal_url: temporalUrl(links, operation.workflowId),
    created_at: toSeconds(operation.createdAt),
    finished_at: toSeconds(operation.finishedAt),
  };
}
