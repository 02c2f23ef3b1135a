import type { WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { withWorker } from '../../test/support/workflow-run.ts';
import { moved, reportBuild } from '../../workflows/report-build.ts';

/** A build whose status changes during its report to GitHub. */
export async function tellAgain(
  env: TestWorkflowEnvironment,
  codePath: string,
  buildId: string,
  save: (handle: WorkflowHandle) => Promise<void>,
): Promise<void> {
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  await withWorker(env, codePath, { reportBuild: () => gate }, async ({ client, taskQueue, steps }) => {
    const handle = await client.workflow.signalWithStart(reportBuild, {
      taskQueue,
      workflowId: `report/${buildId}`,
      args: [{ buildId }],
      signal: moved,
    });
    while (!steps.includes('reportBuild')) await new Promise((done) => setTimeout(done, 50));
    await handle.signal(moved);
    release();
    await handle.result();
    await save(handle);
  });
}
