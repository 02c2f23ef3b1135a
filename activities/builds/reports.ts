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
import type { ReachDeps } from './reach.ts';
import { type Part, parts } from './report-parts.ts';

/** For how long one report waits for another one of the same build. */
const patienceMs = 20_000;
const lookAgainMs = 100;

/** How long a request that was given up can still be on its way to take effect. */
const doubtMs = 30_000;

export function reportActivities(deps: ReachDeps) {
  return {
    /** Tells GitHub what is true of the build by now. Nothing is repeated that it has been told. */
    async reportBuild({ buildId }: { buildId: string }): Promise<void> {
      await reportBuild(deps, buildId);
    },
  };
}

/**
 * Tells the build's status as it is in the database, and again while it changed meanwhile. Only one does so at a
 * time, so what GitHub shows never goes back. A crash between a post and its note repeats the post, which is harmless.
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
    else if (Date.now() >= patience) throw new NotYet('report_under_way', 'Another step reports the build just now');
    else await sleep(lookAgainMs);
  }
}

/** Those to be told something that they have not been told, nor refused to be told. */
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

/** Each part on its own: where GitHub refuses one, or fails at it, the others are told all the same. */
async function tellParts(deps: ReachDeps, build: Build, claim: string, refused: Set<string>): Promise<void> {
  const { database } = deps;
  const failures: { part: Part; error: unknown }[] = [];
  let notes: ReportNotes = {};
  async function ready(): Promise<void> {
    if (await database.write((trx) => buildReportsIn(trx).keep(build.id, claim))) return;
    throw new NotYet('report_taken_over', 'Another step reports the build by now');
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
      // What is to be repeated was not told.
      notes: doubt > 0 ? { checkRunId: notes.checkRunId, deploymentId: notes.deploymentId } : notes,
      ...(leavesDoubt(build, failures) && { doubtUntil: Date.now() + doubtMs }),
    });
  });
  const passing = failures.find(({ error }) => isPassing(error));
  const serious = failures.find(({ part }) => !part.mayBeMissing);
  if (passing ?? serious) throw (passing ?? serious)?.error;
  if (doubt > 0) {
    throw new NotYet('report_in_doubt', 'An earlier report may yet take effect: the end is told again then', doubt);
  }
}

/** For how long a request that told of an earlier status, and got no answer, may still arrive. */
function doubtLeft({ reportDoubtUntil }: Build): number {
  return Math.max(0, (reportDoubtUntil ?? 0) - Date.now());
}

function leavesDoubt({ status }: Build, failures: { error: unknown }[]): boolean {
  if (isFinalBuildStatus(status)) return false;
  return failures.some(({ error }) => error instanceof ProviderError && error.ambiguous);
}

/** Each code once: what cuts off the repository is refused to all parts alike. */
async function noteRefusals(trx: Transaction, build: Build, failures: { part: Part; error: unknown }[]): Promise<void> {
  const seen = new Set<string>();
  for (const { part, error } of failures.filter((one) => !isPassing(one.error))) {
    const code = codeOf(error);
    if (seen.has(code)) continue;
    seen.add(code);
    await appendBuildEvent(trx, build, 'report_refused', { code, status: build.status, part: part.name });
  }
}
