import { log } from '@temporalio/activity';
import type { ReachableRepository } from '../../broker/github/github.ts';
import { allApps } from '../../db/builds/apps.ts';
import { adoptRun } from '../../db/builds/build-runs.ts';
import { allBuilds, type Build } from '../../db/builds/builds.ts';
import { dispatchesIn } from '../../db/builds/dispatches.ts';
import { mostInputsFor } from '../../db/builds/pipelines.ts';
import { allIntegrations } from '../../db/integrations/integrations.ts';
import { holdUsable, usableIntegrations } from '../../db/integrations/usable-integrations.ts';
import type { Transaction } from '../../db/store/connection.ts';
import { skipMarker } from '../../domain/builds/skip-markers.ts';
import { tooManyInputs } from '../../domain/builds/workflow-inputs.ts';
import { statusAction, unusableText } from '../../domain/integrations/integration-health.ts';
import { usableIntegrationStatuses } from '../../domain/integrations/integration-status.ts';
import { codeOf, detailOf, isDefinite, isRefusal, NotYet, pauseOf, Refusal, reasonOf } from '../refusals.ts';
import { type Sent, settle, withStand } from './builds.ts';
import { learnNewName, type ReachDeps, reachRepository, refuseUnconfirmed } from './reach.ts';
import { reportBuild } from './reports.ts';

/** The cause can be ours and gone by the next attempt: an expired token or an old name. */
const secondChance = new Set(['token_rejected', 'moved']);

export function dispatchActivities(deps: ReachDeps) {
  const { database } = deps;

  /** GitHub starts a run for each request, so this makes one attempt and stores each step before it takes it. */
  async function sendOnce(buildId: string, tries: number): Promise<Sent> {
    await skipMarked(buildId);
    const build = await database.write((trx) => intend(trx, buildId));
    if (!build) return database.write((trx) => settle(trx, buildId));

    let repository: ReachableRepository;
    try {
      await refuseCutOff(build);
      await refuseManyInputs(build);
      repository = await reachRepository(deps, build, { actions: 'write' });
    } catch (error) {
      return notSent(build, error, tries);
    }

    if (!(await database.write((trx) => startSending(trx, build))))
      return database.write((trx) => settle(trx, buildId));
    try {
      const answer = await repository.github.dispatchWorkflow({
        fullName: repository.fullName,
        workflow: build.pipeline.workflowFile,
        ref: build.dispatchRef,
        inputs: inputsOf(build),
      });
      return await database.write((trx) => recordSent(trx, build, answer));
    } catch (error) {
      if (codeOf(error) === 'moved') await learnNewName(deps, build, repository).catch(() => {});
      return isDefinite(error)
        ? notSent(build, error, tries)
        : database.write((trx) => recordUnknown(trx, build, error));
    }
  }

  /**
   * A push carries the message of its head commit. A pull request's webhook does not, so this reads it from GitHub. If
   * GitHub does not return it, the build continues.
   */
  async function skipMarked(buildId: string): Promise<void> {
    const build = await allBuilds(database.reader).find(buildId);
    if (build?.status !== 'queued' || build.event !== 'pull_request' || build.rerunOf !== null) return;
    const message = await reachRepository(deps, build, { contents: 'read' })
      .then(({ github, fullName }) => github.getCommitMessage(fullName, build.sha))
      .catch((error) => {
        if (error instanceof NotYet) throw error;
        return undefined;
      });
    const marker = skipMarker(message);
    if (!marker) return;
    const why = { reason: 'skip_marker', detail: `The head commit says ${marker}.` };
    await database.write((trx) => allBuilds(trx).moveStatus(buildId, 'skipped', why));
  }

  /** A build can wait while its integration is deleted or revoked. */
  async function refuseCutOff(build: Build): Promise<void> {
    const { integrationId, projectId } = build;
    const integration = await allIntegrations(database.reader).find(integrationId);
    if (!integration || integration.status === 'deleting') {
      throw new Refusal('integration_deleted', 'The integration was deleted before the build was started.');
    }
    if (!(await usableIntegrations(database.reader, projectId).includes(integrationId))) {
      throw new Refusal('integration_not_granted', 'The organization does not grant the integration to this project.');
    }
    await refuseLostRegistry(build);
    if (usableIntegrationStatuses.includes(integration.status)) return;
    await refuseUnconfirmed(database.reader, build);
    // A later event can have restored access between the two reads.
    const found = (await allIntegrations(database.reader).find(integrationId)) ?? integration;
    if (usableIntegrationStatuses.includes(found.status)) return;
    const told = { ...found, reason: found.statusReason };
    const action = statusAction(told)?.replace('{integration}', integrationId) ?? null;
    throw new Refusal('integration_unusable', unusableText(told, action));
  }

  /** The build could not push its image, so it fails before it starts. */
  async function refuseLostRegistry({ appId }: Build): Promise<void> {
    const app = await allApps(database.reader).find(appId);
    if (!app?.registry) return;
    const registry = await allIntegrations(database.reader).find(app.registry.integrationId);
    if (registry && registry.status !== 'deleting') return;
    throw new Refusal('integration_deleted', 'The app’s registry was deleted. Give the app another one.');
  }

  /** GitHub would reject the request with a less helpful message. */
  async function refuseManyInputs({ repositoryId, pipeline }: Build): Promise<void> {
    const complaint = tooManyInputs(pipeline.inputs, await mostInputsFor(database.reader, repositoryId));
    if (complaint) throw new Refusal('workflow_inputs_too_many', complaint);
  }

  /**
   * Records that nothing was started. The workflow tries again later, or the build has failed and its reason says why.
   */
  async function notSent(build: Build, error: unknown, tries: number): Promise<Sent> {
    const code = reasonOf(error);
    const refused = isRefusal(error) && !(secondChance.has(code) && tries === 0);
    return database.write(async (trx) => {
      if (!refused) {
        await dispatchesIn(trx).move(build.id, 'intent', { code });
        return { outcome: 'later' as const, retryAfterMs: pauseOf(error, tries), code };
      }
      const detail = detailOf(code, error);
      const moved = await dispatchesIn(trx).move(build.id, 'refused', { code, detail });
      if (moved) await allBuilds(trx).moveStatus(build.id, 'failed', { reason: code, detail });
      return { outcome: 'over' as const };
    });
  }

  return {
    /** Asks GitHub to start the build's run. `tries` counts the attempts that sent nothing. */
    async sendDispatch({ buildId, tries }: { buildId: string; tries: number }): Promise<Sent> {
      const sent = await withStand(database, buildId, await sendOnce(buildId, tries));
      if (sent.outcome !== 'running' && sent.outcome !== 'accepted') return sent;
      // Reporting here saves the workflow a step. If GitHub fails now, the next report of the build posts the status of
      // that time.
      await reportBuild(deps, buildId).catch((error) => {
        log.warn('The start of a build was not reported', { buildId, code: codeOf(error) });
      });
      return sent;
    },
  };
}

/** Every writer locks the dispatch's row before the build's row, so two writers cannot deadlock. */
async function intend(trx: Transaction, buildId: string): Promise<Build | undefined> {
  const builds = allBuilds(trx);
  const before = await builds.find(buildId);
  if (before?.status !== 'queued' && before?.status !== 'dispatching') return undefined;
  await dispatchesIn(trx).intend(buildId);
  await builds.moveStatus(buildId, 'dispatching');
  const build = await builds.find(buildId);
  return build?.status === 'dispatching' ? build : undefined;
}

/** The last check before sending. Returns false if another attempt was here or the build must not start. */
async function startSending(trx: Transaction, build: Build): Promise<boolean> {
  const now = await allBuilds(trx).find(build.id);
  if (now?.status !== 'dispatching' || now.cancelRequested) return false;
  // A deletion comes before this, or finds a build that is being sent and ends it.
  if (!(await holdUsable(trx, build.integrationId))) return false;
  return dispatchesIn(trx).move(build.id, 'sending');
}

async function recordSent(
  trx: Transaction,
  build: Build,
  { runId, runUrl }: { runId?: number; runUrl?: string },
): Promise<Sent> {
  const known = runId ?? (await allBuilds(trx).find(build.id))?.runId ?? undefined;
  await dispatchesIn(trx).move(build.id, 'sent', known === undefined ? {} : { runId: known });
  if (known === undefined) return { outcome: 'accepted' };
  await adoptRun(trx, build, { runId: known, url: runUrl });
  return { outcome: 'running' };
}

/** A webhook can have shown the run before the response was lost. */
async function recordUnknown(trx: Transaction, build: Build, error: unknown): Promise<Sent> {
  const { runId = null } = (await allBuilds(trx).find(build.id)) ?? {};
  if (runId !== null) {
    await dispatchesIn(trx).move(build.id, 'sent', { runId });
    return { outcome: 'running' };
  }
  await dispatchesIn(trx).move(build.id, 'unknown', { code: codeOf(error), detail: detailOf(codeOf(error), error) });
  return { outcome: 'unknown' };
}

/**
 * Returns the inputs for the workflow file. Fairlead's inputs override the pipeline's inputs of the same name, because
 * the run is found by them.
 */
function inputsOf({ id, sha, fairleadRef, pipeline }: Build): Record<string, string> {
  return { ...pipeline.inputs, fairlead_build: id, fairlead_sha: sha, fairlead_ref: fairleadRef };
}
