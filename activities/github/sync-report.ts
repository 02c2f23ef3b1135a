import { appRejected, followInstallations, restoreAccepted } from '../../db/github/follow-installations.ts';
import type { AppLimits, GithubApp } from '../../db/github/github-apps.ts';
import { appLimits, hasRoom } from '../../db/github/github-apps.ts';
import type { Installation } from '../../db/github/installations.ts';
import type { SkippedInstallation } from '../../db/github/sync-passes.ts';
import { allIncidents } from '../../db/ops/incidents.ts';
import { allOperations } from '../../db/ops/operations.ts';
import type { Database, Transaction } from '../../db/store/connection.ts';
import { githubHost } from '../../domain/github/github-host.ts';
import { appSettingsUrl } from '../../domain/github/github-urls.ts';
import type { IncidentCode } from '../../domain/ops/incidents.ts';
import { perPage } from '../../providers/github/client.ts';
import { Refusal } from '../refusals.ts';

export type SyncFailure = { code: string; detail: string };

export const unreadableCode = 'installation_unreadable' satisfies IncidentCode;

/** What only the account's owner can mend. */
const remedies: Record<string, string> = {
  policy:
    'Let the addresses of this Fairlead pass the account’s IP allow list, and allow the App for its SAML single sign-on; then have the installations read again.',
  permission_missing: 'Grant the App the permissions that it asks for; then have the installations read again.',
};

/** Tells those whose installation it is why its repositories cannot be read, where it is theirs to mend. */
export async function raiseUnreadable(
  trx: Transaction,
  app: GithubApp,
  installation: Installation,
  { code, detail }: SyncFailure,
): Promise<void> {
  const action = remedies[code];
  if (!action) return;
  await allIncidents(trx).raise({
    orgId: installation.orgId ?? app.orgId,
    projectId: null,
    code: unreadableCode,
    subjectId: installation.id,
    title: `The repositories of ${installation.accountLogin} cannot be read. ${detail}`,
    action,
  });
}

/**
 * GitHub accepts the App, or does not: whoever's it is has to mend that, and until then nothing can be done through its
 * integrations, which show it.
 */
export async function noteAppAccepted(trx: Transaction, app: GithubApp, accepted: boolean): Promise<void> {
  const incidents = allIncidents(trx);
  if (accepted) {
    await incidents.resolveSubject(appRejected, app.id);
    return restoreAccepted(trx, app.id);
  }
  await incidents.raise({
    orgId: app.orgId,
    projectId: null,
    code: appRejected,
    subjectId: app.id,
    title: `GitHub does not accept the App ${app.slug}: its private key does not fit, or the App was deleted`,
    link: settingsOf(app),
  });
  await followInstallations(trx, app.id);
}

/** Where the App's keys and its webhook are set. */
export function settingsOf({ hostUrl, apiUrl, slug }: GithubApp): string {
  return appSettingsUrl({ ...githubHost(hostUrl, apiUrl), slug });
}

/**
 * Ends what was asked for of a pass that came to its end. Everybody learns of the installations that are theirs: an
 * App of the operator's has many tenants.
 */
export async function finishOperations(
  trx: Transaction,
  app: GithubApp,
  skipped: SkippedInstallation[],
  unreadable: number,
): Promise<void> {
  const operations = allOperations(trx);
  const subject = { kind: 'sync', subjectId: app.id };
  const ownerOf = ({ orgId }: SkippedInstallation) => orgId ?? app.orgId;
  for (const orgId of new Set(skipped.map(ownerOf))) {
    if (orgId === null) continue;
    const theirs = skipped.filter((one) => ownerOf(one) === orgId);
    await operations.finish({ ...subject, orgId }, skippedFailure(theirs, 0));
  }
  await operations.finish({ ...subject, orgId: null }, skippedFailure(skipped, unreadable));
  await operations.finish(subject);
}

/** Nothing, where nothing was skipped. */
export function skippedFailure(skipped: SkippedInstallation[], unreadable: number): SyncFailure | undefined {
  const count = skipped.length + unreadable;
  if (count === 0) return undefined;
  const named = skipped.slice(0, mostNamed).map(({ accountLogin, error }) => `${accountLogin} (${error})`);
  const others = count - named.length;
  if (others > 0) named.push(named.length > 0 ? `${others} more` : `${others} without an account`);
  const [only] = skipped;
  return {
    code: only && count === 1 ? only.error : 'installations_skipped',
    detail: `${count === 1 ? '1 installation was' : `${count} installations were`} not read, the others were: ${named.join(', ')}`,
  };
}

const mostNamed = 10;

/** So many repositories GitHub lets one account have. */
export const mostOfInstallation = 100_000;

/** Refuses what would make an organization's App larger than Fairlead keeps: its GitHub may be without an end. */
export async function requireRoom(
  database: Database,
  app: Pick<GithubApp, 'id' | 'orgId'>,
  kind: keyof AppLimits,
  externalIds: number[],
  limits = appLimits,
): Promise<void> {
  const most = limits[kind];
  if (await hasRoom(database.reader, app, { kind, externalIds, most })) return;
  throw tooMany(kind, `The App has more than ${most} ${kind}, which is as many as are kept of one App`);
}

/** Refuses a page that comes after as many pages as there may be. */
export function requireEnd(page: number, kind: keyof AppLimits, most: number): void {
  if (page > Math.ceil(most / perPage)) throw tooMany(kind, `There are more pages than ${most} ${kind} take`);
}

function tooMany(kind: keyof AppLimits, message: string): Refusal {
  return new Refusal(`too_many_${kind}`, message);
}
