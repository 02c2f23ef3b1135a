import type { Build } from '../../db/builds/builds.ts';
import type { BuildStatus } from '../../domain/builds/build-status.ts';
import { readableText } from '../../domain/builds/plain-text.ts';
import type { CheckConclusion } from '../../providers/github/repository/checks.ts';

/** How each of the three parts at GitHub shows a status. */
export type Words = {
  /** Undefined if the commit has neither passed nor failed and nothing is running. */
  commit: 'error' | 'failure' | 'pending' | 'success' | undefined;
  /** A conclusion, or the progress of a build without one. */
  check: 'queued' | 'in_progress' | CheckConclusion;
  /** Undefined if nothing was deployed. */
  deployment: 'error' | 'failure' | 'in_progress' | 'queued' | 'success' | undefined;
  sentence: string;
};

/**
 * A build that was skipped on purpose does not fail the commit. A commit status has no word for that, but a check run
 * has one.
 */
export const wordsOf: Record<BuildStatus, Words> = {
  blocked: {
    commit: undefined,
    check: 'action_required',
    deployment: undefined,
    sentence: 'Waiting for approval',
  },
  queued: { commit: 'pending', check: 'queued', deployment: 'queued', sentence: 'Waiting to be started' },
  dispatching: { commit: 'pending', check: 'queued', deployment: 'queued', sentence: 'Being started' },
  uncertain: {
    commit: 'pending',
    check: 'queued',
    deployment: 'queued',
    sentence: 'Unknown whether the run was started',
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

/** Returns one line. GitHub keeps its first 140 characters. */
export function descriptionOf({ status, detail }: Build): string {
  const { sentence } = wordsOf[status];
  return detail === null ? sentence : readableText(`${sentence}: ${detail}`);
}

const longestDetail = 2_000;

/** Returns Markdown. Branch names and GitHub's messages are untrusted text. */
export function summaryOf({ pipeline, refName, sha, detail }: Build): string {
  const what = `Pipeline **${asText(pipeline.name)}** with ${asText(refName)} at ${sha.slice(0, 7)}.`;
  return detail === null ? what : `${what}\n\n${asText(detail.slice(0, longestDetail))}`;
}

/** Escapes text for Markdown, so that it cannot contain links, images, mentions or HTML. */
export function asText(text: string): string {
  return text
    .replace(/\s+/g, ' ')
    .replace(/[&<>"'@#:/]/g, (character) => `&#${character.codePointAt(0)};`)
    .replace(/[\\`*_{}[\]()+\-.!|~^=$]/g, '\\$&');
}

/** Returns the URL if a browser can open it. The URL comes from outside. */
export function webAddress(url: string | null | undefined): string | undefined {
  const address = url && URL.canParse(url) ? new URL(url) : undefined;
  return address && ['https:', 'http:'].includes(address.protocol) ? address.href : undefined;
}
