import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { appendBuildEvent } from '../../db/builds/build-events.ts';
import { buildReportsIn, type ReportNotes } from '../../db/builds/build-reports.ts';
import { allBuilds, type Build } from '../../db/builds/builds.ts';
import type { Transaction } from '../../db/store/connection.ts';
import { isFinalBuildStatus } from '../../domain/builds/build-status.ts';
import { ProviderError } from '../../providers/failure.ts';
import { isPassing } from '../failures.ts';
import { codeOf, NotYet } from '../refusals.ts';
import { type BuildStand, standOf } from './builds.ts';
import type { ReachDeps } from './reach.ts';
import { type Part, parts } from './report-parts.ts';

/** How long a report waits for another report of the same build. */
const patienceMs = 20_000;
const lookAgainMs = 100;

/** How long an abandoned request can still take effect. */
const doubtMs = 30_000;

export function reportActivities(deps: ReachDeps) {
  return {
    /** Reports the present status of the build to GitHub. It repeats nothing that GitHub already shows. */
    async reportBuild({ buildId }: { buildId: string }): Promise<BuildStand | undefined> {
      await reportBuild(deps, buildId);
      return standOf(deps.database.reader, buildId);
    },
  };
}

/**
 * Reports the build's status from the database, and repeats this if the status changes in between. Only one step
 * reports a build at a time, so GitHub never shows an older status. A crash between a post and its note repeats the
 * post, which is harmless.
 */
export async function reportBuild(deps: ReachDeps, buildId: string): Promise<void> {
  const { database } = deps;
  const patience = Date.now() + patienceMs;
  const refused = new Set<string>();
  for (;;) {
    const before = await allBuilds(database.reader).find(buildId);
    if (!before || (await dueParts(deps, before, refused)).length === 0) return;
    const claim = randomUUID();
    const build = await database.write((trx) => buildReportsIn(trx).claim(buildId, claim));
    if (build) await tellParts(deps, build, claim, refused);
    else if (Date.now() >= patience) throw new NotYet('report_under_way', 'Another step is reporting the build');
    else await sleep(lookAgainMs);
  }
}

/** Returns the parts that GitHub does not show yet and has not refused. */
async function dueParts(deps: ReachDeps, build: Build, refused: Set<string>): Promise<Part[]> {
  const due: Part[] = [];
  for (const part of parts) {
    if (!refused.has(refusalOf(part, build)) && (await part.isDue(deps, build))) due.push(part);
  }
  return due;
}

function refusalOf({ name }: Part, { status }: Build): string {
  return `${name} ${status}`;
}

/** Reports each part separately. If GitHub refuses one part, the others are still reported. */
async function tellParts(deps: ReachDeps, build: Build, claim: string, refused: Set<string>): Promise<void> {
  const { database } = deps;
  const failures: { part: Part; error: unknown }[] = [];
  let notes: ReportNotes = {};
  async function ready(): Promise<void> {
    if (await database.write((trx) => buildReportsIn(trx).keep(build.id, claim))) return;
    throw new NotYet('report_taken_over', 'Another step has taken over the report of the build');
  }

  for (const part of await dueParts(deps, build, refused)) {
    try {
      notes = { ...notes, ...(await part.tell(deps, build, ready)) };
    } catch (error) {
      failures.push({ part, error });
      if (!isPassing(error)) refused.add(refusalOf(part, build));
    }
  }

  const doubt = isFinalBuildStatus(build.status) ? doubtLeft(build) : 0;
  await database.write(async (trx) => {
    await noteRefusals(trx, build, failures);
    await buildReportsIn(trx).release(build.id, claim, {
      // A part that must be reported again is not noted as reported.
      notes: doubt > 0 ? { checkRunId: notes.checkRunId, deploymentId: notes.deploymentId } : notes,
      ...(leavesDoubt(build, failures) && { doubtUntil: Date.now() + doubtMs }),
    });
  });
  const passing = failures.find(({ error }) => isPassing(error));
  const serious = failures.find(({ part }) => !part.mayBeMissing);
  if (passing ?? serious) throw (passing ?? serious)?.error;
  if (doubt > 0) {
    throw new NotYet(
      'report_in_doubt',
      'An earlier report can still take effect, so the result is reported again later',
      doubt,
    );
  }
}

/** Returns how long a request for an earlier status can still take effect if its response was lost. */
function doubtLeft({ reportDoubtUntil }: Build): number {
  return Math.max(0, (reportDoubtUntil ?? 0) - Date.now());
}

function leavesDoubt({ status }: Build, failures: { error: unknown }[]): boolean {
  if (isFinalBuildStatus(status)) return false;
  return failures.some(({ error }) => error instanceof ProviderError && error.ambiguous);
}

/** Notes each code once, because losing the repository refuses all parts with the same code. */
async function noteRefusals(trx: Transaction, build: Build, failures: { part: Part; error: unknown }[]): Promise<void> {
  const seen = new Set<string>();
  for (const { part, error } of failures.filter((one) => !isPassing(one.error))) {
    const code = codeOf(error);
    if (seen.has(code)) continue;
    seen.add(code);
    await appendBuildEvent(trx, build, 'report_refused', { code, status: build.status, part: part.name });
  }
}
