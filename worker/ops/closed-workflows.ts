import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import type { Database } from '../../db/store/connection.ts';
import { type Closed, settleClosed } from './settle-closed.ts';

type Run = Pick<WorkflowExecutionInfo, 'runId' | 'workflowId' | 'type' | 'status'> & { closedAt: number };

/** How far back the first sweep looks. It finds what an operator ended while no worker was running. */
const firstWindowMs = 24 * 3_600_000;
/** The backoff after the second failure of a workflow. It doubles with each further failure. */
const firstBackoffMs = 20_000;
const longestBackoffMs = 20 * 60_000;
/**
 * Temporal lists a workflow some time after it has closed, so the sweeps overlap. A failed workflow stays in the window
 * until its backoff has ended.
 */
const windowMs = longestBackoffMs + 20 * 60_000;
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
  async function isLatest({ workflowId, runId }: Run): Promise<boolean> {
    const latest = await limited(() => client.workflow.getHandle(workflowId).describe());
    return latest.runId === runId;
  }

  return async () => {
    const since = Date.now() - window;
    const query = `TaskQueue = '${taskQueue}' AND ExecutionStatus IN ('Terminated', 'Canceled', 'Failed', 'TimedOut') AND CloseTime > '${new Date(since).toISOString()}'`;
    const troubles: unknown[] = [];
    const runs: Run[] = [];
    // An operator can end very many at once, so only the necessary parts of each are kept.
    for await (const { runId, workflowId, type, status, closeTime } of client.workflow.list({ query })) {
      runs.push({ runId, workflowId, type, status, closedAt: closeTime?.getTime() ?? Date.now() });
    }
    const failures = countFailures(runs);
    for (const run of runs) {
      if (handled.has(run.runId) || run.closedAt + backoffAfter(run, failures) > Date.now()) continue;
      try {
        if (await isLatest(run)) await database.write((trx) => settleClosed(trx, closedOf(run)));
        handled.set(run.runId, run.closedAt);
      } catch (error) {
        // The others do not wait for this one. The next sweep tries it again.
        troubles.push(error);
      }
    }
    if (troubles.length > 0) throw troubles[0];
    window = windowMs;
    for (const [runId, at] of handled) if (at < Date.now() - 2 * firstWindowMs) handled.delete(runId);
  };
}

function closedOf(run: Run): Closed {
  const { type, workflowId } = run;
  return { type, workflowId, byOperator: isByOperator(run) };
}

function isByOperator({ status }: Run): boolean {
  return status.name === 'TERMINATED' || status.name === 'CANCELLED';
}

/** Returns how often each workflow has failed lately, by its ID. */
function countFailures(runs: Run[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const run of runs) {
    if (!isByOperator(run)) counts.set(run.workflowId, (counts.get(run.workflowId) ?? 0) + 1);
  }
  return counts;
}

/** Prevents a workflow with a defect from being restarted every few seconds. */
function backoffAfter(run: Run, failures: Map<string, number>): number {
  const count = failures.get(run.workflowId) ?? 0;
  if (isByOperator(run) || count < 2) return 0;
  return Math.min(firstBackoffMs * 2 ** (count - 2), longestBackoffMs);
}
