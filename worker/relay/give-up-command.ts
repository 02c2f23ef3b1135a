import { buildReportsIn } from '../../db/builds/build-reports.ts';
import { allBuilds } from '../../db/builds/builds.ts';
import { allIncidents } from '../../db/ops/incidents.ts';
import type { PendingCommand } from '../../db/store/commands.ts';
import type { Transaction } from '../../db/store/connection.ts';

/** Gives up a command that Temporal will never accept. Its build fails, and an incident notifies the operators. */
export async function giveUpCommand(trx: Transaction, command: PendingCommand): Promise<void> {
  const { OrgId: orgId = null, ProjectId: projectId = null, BuildId: buildId } = command.attributes ?? {};
  if (command.action === 'start' && buildId) {
    const builds = allBuilds(trx);
    const why = { reason: 'start_refused', detail: 'Temporal refused to start the build’s workflow' };
    const failed = (await builds.moveStatus(buildId, 'failed', why)) && (await builds.find(buildId));
    if (failed) await buildReportsIn(trx).request(failed);
  }
  await allIncidents(trx).raise({
    orgId,
    projectId,
    code: 'command_refused',
    subjectId: buildId ?? command.workflowId,
    title: `Temporal refused to ${command.action.replaceAll('_', ' ')} ${command.workflowId}`,
  });
}
