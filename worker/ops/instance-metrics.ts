import { Gauge, type Registry } from 'prom-client';
import { type BuildCount, countEndedBuilds, countOpenBuilds } from '../../db/builds/build-counts.ts';
import { auditLength } from '../../db/ops/audit-chain.ts';
import { allIncidents } from '../../db/ops/incidents.ts';
import { countBacklog } from '../../db/ops/relays.ts';
import type { Database } from '../../db/store/connection.ts';
import { buildReasons } from '../../domain/builds/build-reasons.ts';
import type { Logger } from '../../log.ts';

/** Scrapes within this time share one count, so that any number of scrapers costs the same. */
const freshMs = 5_000;
const hourMs = 3_600_000;

type Sample = { labels: Record<string, string>; value: number };

/**
 * Registers gauges that count rows of the database. They describe the whole instance, so every worker shows the same
 * values. Their labels have a fixed set of values and never contain text of a tenant.
 */
export function measureInstance(registry: Registry, database: Database, logger: Logger): void {
  const { reader } = database;

  function gauge(name: string, help: string, labelNames: string[], count: () => Promise<Sample[]>): void {
    let counting: { at: number; samples: Promise<Sample[]> } | undefined;
    new Gauge({
      name,
      help,
      labelNames,
      registers: [registry],
      async collect() {
        if (!counting || performance.now() - counting.at > freshMs) {
          counting = { at: performance.now(), samples: count() };
        }
        const { samples } = counting;
        // Without the database the series are absent, and the other metrics are still served.
        const found = await samples.catch((err: unknown) => {
          logger.warn({ err, metric: name }, 'A metric could not be counted');
          return [];
        });
        this.reset();
        if (labelNames.length === 0 && found.length === 0) this.remove();
        for (const { labels, value } of found) this.set(labels, value);
      },
    });
  }

  gauge('fairlead_relay_backlog', 'Rows that wait for the relay', ['kind'], async () =>
    Object.entries(await countBacklog(reader)).map(([kind, value]) => ({ labels: { kind }, value })),
  );
  gauge(
    'fairlead_audit_length',
    'Rows in all audit chains, as the records of their heads say. It never falls',
    [],
    async () => [{ labels: {}, value: await auditLength(reader) }],
  );
  gauge('fairlead_builds_open', 'Builds that have not ended, by status and reason', ['status', 'reason'], async () =>
    byReason(await countOpenBuilds(reader)),
  );
  gauge(
    'fairlead_builds_ended_last_hour',
    'Builds that ended within the last hour, by status and reason',
    ['status', 'reason'],
    async () => byReason(await countEndedBuilds(reader, Date.now() - hourMs)),
  );
  gauge('fairlead_incidents_open', 'Open incidents, by code', ['code'], async () =>
    (await allIncidents(reader).countOpen()).map(({ code, count }) => ({ labels: { code }, value: count })),
  );
}

/** A reason that this version does not know comes from a newer one. All of those share one label. */
function byReason(counts: BuildCount[]): Sample[] {
  const known = new Set<string>(buildReasons);
  const sums = new Map<string, Sample>();
  for (const { status, reason, count } of counts) {
    const label = reason === null ? '' : known.has(reason) ? reason : 'other';
    const sample = sums.get(`${status} ${label}`) ?? { labels: { status, reason: label }, value: 0 };
    sample.value += count;
    sums.set(`${status} ${label}`, sample);
  }
  return [...sums.values()];
}
