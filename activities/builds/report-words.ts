import type { Build } from '../../db/builds/builds.ts';
import type { BuildStatus } from '../../domain/builds/build-status.ts';
import type { CheckConclusion } from '../../providers/github/repository/checks.ts';

/** What GitHub is told of a status, by each of the three ways in which it shows a build. */
export type Words = {
  /** None where the commit has neither passed nor failed, and nothing is under way. */
  commit: 'error' | 'failure' | 'pending' | 'success' | undefined;
  /** A conclusion, or how far a build is that has none. */
  check: 'queued' | 'in_progress' | CheckConclusion;
  /** None where nothing was deployed. */
  deployment: 'error' | 'failure' | 'in_progress' | 'queued' | 'success' | undefined;
  sentence: string;
};

/**
 * Builds that were never started on purpose are no failure of the commit: a commit's status has no word for them, a
 * check run has.
 */
export const wordsOf: Record<BuildStatus, Words> = {
  blocked: {
    commit: undefined,
    check: 'action_required',
    deployment: undefined,
    sentence: 'Held back until somebody approves it',
  },
  queued: { commit: 'pending', check: 'queued', deployment: 'queued', sentence: 'Waiting to be started' },
  dispatching: { commit: 'pending', check: 'queued', deployment: 'queued', sentence: 'Being started' },
  uncertain: {
    commit: 'pending',
    check: 'queued',
    deployment: 'queued',
    sentence: 'It is not known whether the run was started',
  },
  running: { commit: 'pending', check: 'in_progress', deployment: 'in_progress', sentence: 'Running' },
  succeeded: { commit: 'success', check: 'success', deployment: 'success', sentence: 'Succeeded' },
  failed: { commit: 'failure', check: 'failure', deployment: 'failure', sentence: 'Failed' },
  timed_out: { commit: 'error', check: 'timed_out', deployment: 'error', sentence: 'Took longer than allowed' },
  canceled: { commit: 'error', check: 'cancelled', deployment: 'error', sentence: 'Canceled' },
  superseded: { commit: 'error', check: 'cancelled', deployment: 'error', sentence: 'Superseded by a newer build' },
  declined: { commit: undefined, check: 'neutral', deployment: undefined, sentence: 'Declined' },
  skipped: { commit: undefined, check: 'skipped', deployment: undefined, sentence: 'Skipped' },
};

/** One line, of which GitHub keeps the first 140 characters. */
export function descriptionOf({ status, detail }: Build): string {
  const { sentence } = wordsOf[status];
  return detail === null ? sentence : `${sentence}: ${detail}`;
}

const longestDetail = 2_000;

/** Markdown. Names of branches and GitHub's own sentences are anybody's text. */
export function summaryOf({ pipeline, refName, sha, detail }: Build): string {
  const what = `Pipeline **${asText(pipeline.name)}** with ${asText(refName)} at ${sha.slice(0, 7)}.`;
  return detail === null ? what : `${what}\n\n${asText(detail.slice(0, longestDetail))}`;
}

/** As Markdown that shows the text and does nothing else: no link, picture, mention or HTML. */
export function asText(text: string): string {
  return text
    .replace(/\s+/g, ' ')
    .replace(/[&<>"'@#:/]/g, (character) => `&#${character.codePointAt(0)};`)
    .replace(/[\\`*_{}[\]()+\-.!|~^=$]/g, '\\$&');
}

/** What a browser can open, if that is what it is: it comes from outside. */
export function webAddress(url: string | null | undefined): string | undefined {
  const address = url && URL.canParse(url) ? new URL(url) : undefined;
  return address && ['https:', 'http:'].includes(address.protocol) ? address.href : undefined;
}
