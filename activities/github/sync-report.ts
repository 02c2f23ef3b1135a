import { appRejected, followInstallations, restoreAccepted } from '../../db/github/follow-installations.ts';
import { type AppLimits, appLimits, type GithubApp, githubAppsIn, hasRoom } from '../../db/github/github-apps.ts';
import { isAppInUse } from '../../db/github/idle-apps.ts';
import type { Installation } from '../../db/github/installations.ts';
import type { SkippedInstallation } from '../../db/github/sync-passes.ts';
import { allIncidents } from '../../db/ops/incidents.ts';
import { allOperations } from '../../db/ops/operations.ts';
import type { Database, Db, Transaction } from '../../db/store/connection.ts';
import { githubHost } from '../../domain/github/github-host.ts';
import { appSettingsUrl } from '../../domain/github/github-urls.ts';
import type { IncidentCode } from '../../domain/ops/incidents.ts';
import { perPage } from '../../providers/github/client.ts';
import { Refusal } from '../refusals.ts';

export type SyncFailure = { code: string; detail: string };

export const unreadableCode = 'installation_unreadable' satisfies IncidentCode;

/** Failures that only the account's owner can fix. */
const remedies: Record<string, string> = {
  policy:
    'Add the addresses of Fairlead to the account’s IP allow list and authorize the App for SAML single sign-on. Then start a sync.',
  permission_missing: 'Grant the App the permissions that it requests. Then start a sync.',
};

/** The API cannot rotate the key of the operator's App, which is a setting. */
const operatorKeyAction =
  'Check that the GitHub App still exists. Create a new private key in its settings on GitHub, set GITHUB_APP_PRIVATE_KEY or GITHUB_APP_PRIVATE_KEY_FILE to it, and restart Fairlead.';

/** Raises an incident for the owners of the installation if they can fix why its repositories cannot be read. */
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
 * Records whether GitHub accepts the App. A rejected App raises an incident, and its integrations become unusable until
 * its owner fixes it. An App that is no longer in use has no key, so a rejection says nothing about it.
 */
export async function noteAppAccepted(trx: Transaction, app: GithubApp, accepted: boolean): Promise<void> {
  const incidents = allIncidents(trx);
  if (accepted) {
    await incidents.resolveSubject(appRejected, app.id);
    return restoreAccepted(trx, app.id);
  }
  if (app.orgId !== null && !(await isAppInUse(trx, app.id))) return;
  await incidents.raise({
    orgId: app.orgId,
    projectId: null,
    code: appRejected,
    subjectId: app.id,
    title: `GitHub rejects the App ${app.slug}: its private key is wrong, or the App was deleted`,
    ...(app.orgId === null && { action: operatorKeyAction }),
    link: settingsOf(app),
  });
  await followInstallations(trx, app.id);
}

/**
 * Returns whether a pass over the GitHub App's installations is open. Without one, no step of a sync does anything.
 * Otherwise an attacker who reaches Temporal could start a workflow in the middle of a pass.
 */
export async function isPassOpen(db: Db, githubAppId: string): Promise<boolean> {
  return (await githubAppsIn(db).findPass(githubAppId))?.isOpen === true;
}

/** Returns the address of the App's settings, with its keys and its webhook. */
export function settingsOf({ hostUrl, apiUrl, slug }: GithubApp): string {
  return appSettingsUrl({ ...githubHost(hostUrl, apiUrl), slug });
}

/**
 * Ends the operations of a finished pass. Each operation reports only the tenant's own installations, because the
 * operator's App has many tenants.
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

/** Returns nothing if no installation was skipped. */
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

/** The most repositories that GitHub allows one account. */
export const mostOfInstallation = 100_000;

/** Throws if an organization's App would exceed the limits. Prevents a hostile server from filling the database. */
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

/** Throws if a list has more pages than allowed. */
export function requireEnd(page: number, kind: keyof AppLimits, most: number): void {
  if (page > Math.ceil(most / perPage)) throw tooMany(kind, `There are more pages than ${most} ${kind} take`);
}

function tooMany(kind: keyof AppLimits, message: string): Refusal {
  return new Refusal(`too_many_${kind}`, message);
}
