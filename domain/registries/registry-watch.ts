const minute = 60_000;
const hour = 60 * minute;

/** How many failures in a row count. A single one may be a restart or a failed deployment of the registry. */
export const strikesToAct = 3;

/**
 * In six hours, plus or minus one hour. `chance` is a random number from 0 to 1 for every check. It prevents
 * connections of the same moment from being checked at the same moment forever.
 */
export function nextCheckAt(now: number, chance: number): number {
  return now + 5 * hour + Math.floor(chance * 2 * hour);
}

/** After this many checks without an answer: 10, 20, 40 minutes … up to six hours, or up to a tenth sooner. */
export function afterSilence(now: number, silences: number, chance: number): number {
  const pause = Math.min(10 * minute * 2 ** Math.min(silences - 1, 10), 6 * hour);
  return now + pause - Math.floor((chance * pause) / 10);
}

/** After a rejection that does not count yet: soon, and then a little later. */
export function afterRefusal(now: number, refusals: number): number {
  return now + (refusals === 1 ? 2 * minute : 10 * minute);
}

/** How long before its expiry people are asked to replace a credential. */
export const expiryNoticeMs = 7 * 24 * hour;

/** The subject of a registry's outage: its host, for one organization. */
export function outageSubject(orgId: string, hostUrl: string): string {
  return `${orgId}/${new URL(hostUrl).host}`;
}
