const minute = 60_000;
const hour = 60 * minute;

/** So many in a row are believed: one alone may be a restart, or a deployment of theirs that went wrong. */
export const strikesToAct = 3;

/**
 * Six hours from now, give or take one. `chance` is drawn for every check (0 up to 1), so that what was connected at
 * the same moment is not asked at the same moment for ever.
 */
export function nextCheckAt(now: number, chance: number): number {
  return now + 5 * hour + Math.floor(chance * 2 * hour);
}

/** After so many silences in a row: 10, 20, 40 minutes … up to six hours, or up to a tenth sooner. */
export function afterSilence(now: number, silences: number, chance: number): number {
  const pause = Math.min(10 * minute * 2 ** Math.min(silences - 1, 10), 6 * hour);
  return now + pause - Math.floor((chance * pause) / 10);
}

/** After a refusal that is not believed yet: soon, and then a little later. */
export function afterRefusal(now: number, refusals: number): number {
  return now + (refusals === 1 ? 2 * minute : 10 * minute);
}

/** How long before its date somebody is told to replace a credential. */
export const expiryNoticeMs = 7 * 24 * hour;

/** What the outage of a registry is about: the host, as one organization sees it. */
export function outageSubject(orgId: string, hostUrl: string): string {
  return `${orgId}/${new URL(hostUrl).host}`;
}
