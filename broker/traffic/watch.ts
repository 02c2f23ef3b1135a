import { githubAppsIn } from '../../db/github/github-apps.ts';
import { allIncidents } from '../../db/ops/incidents.ts';
import type { Database } from '../../db/store/connection.ts';
import { instanceSubject } from '../../domain/ops/incidents.ts';
import type { Logger } from '../../log.ts';
import type { TrafficWatch } from './traffic.ts';

/** An outage that is over by then is nobody's to mend. */
const troubleMs = 60_000;
/** How far our clock may be off. */
const skewMs = 60_000;
/** Other processes may have opened an incident that this one sees the end of. */
const lookAgainMs = 60_000;
/** Hosts are whatever tenants name. */
const mostHosts = 1_000;

/**
 * Makes one incident of a host's outage, however many requests fail, and one of a clock that is wrong; ends each as
 * soon as it is over. Whoever sends a request does not wait for it.
 */
export function watchTraffic(database: Database, logger: Logger, now = () => performance.now()): TrafficWatch {
  const told = new Map<string, { state: string; at: number; done: Promise<void> }>();

  /** Once for each change, and now and then again. */
  function tell(about: string, state: string, work: () => Promise<void>): void {
    const before = told.get(about);
    if (before?.state === state && now() - before.at < lookAgainMs) return;
    // In their order: an end must not be noted before its beginning.
    const done = (before?.done ?? Promise.resolve()).then(work).catch((err: unknown) => {
      told.delete(about);
      logger.warn({ err, about }, 'An incident could not be noted');
    });
    told.delete(about);
    told.set(about, { state, at: now(), done });
    const [oldest] = told.keys();
    if (told.size > mostHosts && oldest !== undefined) told.delete(oldest);
  }

  async function resolve(code: 'host_unavailable' | 'clock_skew', subjectId: string): Promise<void> {
    if (!(await allIncidents(database.reader).isOpen(code, subjectId))) return;
    await database.write((trx) => allIncidents(trx).resolveSubject(code, subjectId));
  }

  return {
    down(origin, forMs) {
      if (forMs < troubleMs) return;
      tell(origin, 'down', async () => {
        const owners = await ownersOf(database, origin);
        // An address that somebody only tried out is nobody's trouble but theirs, and they were told.
        if (owners.length === 0) return;
        logger.warn({ host: origin }, 'A host has been away for a minute');
        const [only = null] = owners;
        await database.write((trx) =>
          allIncidents(trx).raise({
            orgId: owners.length === 1 ? only : null,
            projectId: null,
            code: 'host_unavailable',
            subjectId: origin,
            title: `${new URL(origin).hostname} cannot be reached, or fails`,
          }),
        );
      });
    },

    up(origin) {
      tell(origin, 'up', () => resolve('host_unavailable', origin));
    },

    clock(offBy) {
      const isOff = Math.abs(offBy) > skewMs;
      tell(instanceSubject, isOff ? 'off' : 'right', async () => {
        if (!isOff) return resolve('clock_skew', instanceSubject);
        const seconds = Math.round(offBy / 1000);
        logger.warn({ seconds }, 'The clock of this machine is wrong');
        await database.write((trx) =>
          allIncidents(trx).raise({
            orgId: null,
            projectId: null,
            code: 'clock_skew',
            subjectId: instanceSubject,
            title: `The clock of this machine is ${Math.abs(seconds)} s ${seconds > 0 ? 'ahead' : 'behind'}`,
          }),
        );
      });
    },
  };
}

/** Whose Apps are there: organizations, or nobody in particular where one is the operator's. */
async function ownersOf(database: Database, origin: string): Promise<(string | null)[]> {
  const apps = await githubAppsIn(database.reader).list();
  const there = apps.filter(({ apiUrl }) => URL.canParse(apiUrl) && new URL(apiUrl).origin === origin);
  return [...new Set(there.map(({ orgId }) => orgId))];
}
