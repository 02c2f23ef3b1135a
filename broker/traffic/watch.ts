import { githubAppsIn } from '../../db/github/github-apps.ts';
import { allIncidents } from '../../db/ops/incidents.ts';
import type { Database } from '../../db/store/connection.ts';
import { instanceSubject } from '../../domain/ops/incidents.ts';
import type { Logger } from '../../log.ts';
import type { TrafficWatch } from './traffic.ts';

/** A shorter outage needs no action from anybody. */
const troubleMs = 60_000;
/** The largest accepted clock error. */
const skewMs = 60_000;
/** Another process may have opened an incident whose end this process sees. */
const lookAgainMs = 60_000;
/** Tenants can name any number of hosts. */
const mostHosts = 1_000;

/**
 * Opens one incident for the outage of a host, however many requests fail, and one for a wrong clock. Resolves each
 * incident as soon as its cause has ended. Requests do not wait for it.
 */
export function watchTraffic(database: Database, logger: Logger, now = () => performance.now()): TrafficWatch {
  const told = new Map<string, { state: string; at: number; done: Promise<void> }>();

  /** Once for each change, and again at intervals. */
  function tell(about: string, state: string, work: () => Promise<void>): void {
    const before = told.get(about);
    if (before?.state === state && now() - before.at < lookAgainMs) return;
    // In order: the end of an outage must not be stored before its beginning.
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
        // An address that a person only tried out affects nobody else, and that person got the error.
        if (owners.length === 0) return;
        logger.warn({ host: origin }, 'A host has been away for a minute');
        const [only = null] = owners;
        await database.write((trx) =>
          allIncidents(trx).raise({
            orgId: owners.length === 1 ? only : null,
            projectId: null,
            code: 'host_unavailable',
            subjectId: origin,
            title: `${new URL(origin).host} cannot be reached, or fails`,
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

/** The organizations whose Apps are on the host. The operator's App has no organization. */
async function ownersOf(database: Database, origin: string): Promise<(string | null)[]> {
  const apps = await githubAppsIn(database.reader).list();
  const there = apps.filter(({ apiUrl }) => URL.canParse(apiUrl) && new URL(apiUrl).origin === origin);
  return [...new Set(there.map(({ orgId }) => orgId))];
}
