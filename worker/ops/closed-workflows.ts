import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import type { Database } from '../../db/store/connection.ts';
import { type Closed, settleClosed } from './settle-closed.ts';

/** How far back the first sweep looks. It finds what an operator ended while no worker was running. */
const firstWindowMs = 24 * 3_600_000;
/** Temporal lists a workflow some time after it has closed, so the sweeps overlap. */
const windowMs = 10 * 60_000;
const callMs = 5_000;

/**
 * Finds the workflows that an operator terminated or canceled in Temporal, or that failed. Ends or resumes their rows.
 * Any number of workers can do so at once, because the row decides and only one workflow runs under an ID.
 */
export function createClosedWorkflowSweep({
  database,
  client,
  taskQueue,
}: {
  database: Database;
  client: Client;
  taskQueue: string;
}): () => Promise<void> {
  /** The runs that this worker has handled, with the time when each closed. */
  const handled = new Map<string, number>();
  let window = firstWindowMs;
  const limited = <Result>(call: () => Promise<Result>) => client.withDeadline(Date.now() + callMs, call);

  /**
   * Returns whether this is the workflow's latest run. If an operator has reset or restarted the workflow, the new run
   * continues with the row.
   */
  async function isLatest({ workflowId, runId }: WorkflowExecutionInfo): Promise<boolean> {
    const latest = await limited(() => client.workflow.getHandle(workflowId).describe());
    return latest.runId === runId;
  }

  return async () => {
    const since = Date.now() - window;
    const query = `TaskQueue = '${taskQueue}' AND ExecutionStatus IN ('Terminated', 'Canceled', 'Failed', 'TimedOut') AND CloseTime > '${new Date(since).toISOString()}'`;
    const troubles: unknown[] = [];
    for await (const run of client.workflow.list({ query })) {
      if (handled.has(run.runId)) continue;
      try {
        if (await isLatest(run)) await database.write((trx) => settleClosed(trx, closedOf(run)));
        handled.set(run.runId, run.closeTime?.getTime() ?? Date.now());
      } catch (error) {
        // The others do not wait for this one. The next sweep tries it again.
        troubles.push(error);
      }
    }
    if (troubles.length > 0) throw troubles[0];
    window = windowMs;
    for (const [runId, closedAt] of handled) if (closedAt < Date.now() - 2 * firstWindowMs) handled.delete(runId);
  };
}

function closedOf({ type, workflowId, status }: WorkflowExecutionInfo): Closed {
  return { type, workflowId, byOperator: status.name === 'TERMINATED' || status.name === 'CANCELLED' };
}
