import { type CheckEvent, readCheck } from './github-check-events.ts';
import { flagIn, idIn, listIn, objectIn, type Payload, textIn, timeIn } from './github-payload.ts';

/** The parts of a webhook that Fairlead reads: numeric ids, refs and shas. Names are for display only. */
export type GitHubEvent =
  | PushEvent
  | PullRequestEvent
  | WorkflowRunEvent
  | InstallationEvent
  | AuthorizationEvent
  | CheckEvent
  | OtherEvent;

type Subject = { installationId?: number; repositoryId: number; senderId?: number };

export type PushEvent = Subject & {
  kind: 'push';
  ref: string;
  refType: 'branch' | 'tag';
  refName: string;
  before: string;
  after: string;
  created: boolean;
  deleted: boolean;
  forced: boolean;
  /** The commit. For an annotated tag, `after` is the tag object. */
  headSha: string;
  message?: string;
  /** By the provider's clock, in ms. */
  pushedAt?: number;
};

export type PullRequestEvent = Subject & {
  kind: 'pull_request';
  action: string;
  number: number;
  headSha: string;
  headRef: string;
  headRepositoryId?: number;
  baseRef: string;
  baseSha: string;
  /** Its head is in another repository than its base, or in a deleted one. */
  fork: boolean;
  draft: boolean;
  title?: string;
};

export type WorkflowRunEvent = Subject & {
  kind: 'workflow_run';
  action: string;
  runId: number;
  runAttempt: number;
  status: string;
  conclusion?: string;
  displayTitle: string;
  headSha: string;
  htmlUrl: string;
  event: string;
};

export type InstallationEvent = {
  kind: 'installation' | 'installation_repositories' | 'installation_target';
  action: string;
  installationId: number;
  installation: Payload;
  addedRepositoryIds: number[];
  removedRepositoryIds: number[];
  senderId?: number;
  /** The person who requested it from the account's owner. */
  requesterId?: number;
  /** When the installation was created, by GitHub's clock, in ms. */
  installedAt?: number;
};

/** A person revoked the App's authorization at GitHub. */
export type AuthorizationEvent = { kind: 'github_app_authorization'; action: string; githubUserId: number };

export type OtherEvent =
  | { kind: 'repository'; action: string; repositoryId: number; installationId?: number }
  | { kind: 'ping' }
  | { kind: 'ignored'; reason: 'event_not_consumed' | 'ref_event' }
  | { kind: 'malformed'; reason: string }
  /** The stored body is gone or has a gap, so nothing is known about the event. */
  | { kind: 'body_missing' };

/** The events whose payload matters. */
const consumed: ReadonlySet<string> = new Set([
  'push',
  'pull_request',
  'workflow_run',
  'installation',
  'installation_repositories',
  'installation_target',
  'repository',
  'check_run',
  'check_suite',
  'github_app_authorization',
]);

/** Returns whether the payload of the event matters. If it does not, `readGitHubEvent` needs no payload. */
export function isConsumed(eventName: string): boolean {
  return consumed.has(eventName);
}

/** Texts that name nothing. They can be long, and can contain characters that the database cannot store. */
const shown: ReadonlySet<string> = new Set(['message', 'title', 'displayTitle']);
const mostShown = 16_384;
/** The longest names at Git and GitHub are shorter than this. */
const longestName = 1_000;

/** Reads a parsed payload of the event that the header names. Never throws: an unusable payload returns its reason. */
export function readGitHubEvent(eventName: string, payload: unknown): GitHubEvent {
  const event = readParts(eventName, payload);
  if (!hasSoundNames(event)) return malformed('a name is too long or has a NUL character');
  for (const [name, text] of Object.entries(event)) {
    if (typeof text === 'string' && shown.has(name)) Object.assign(event, { [name]: toShown(text) });
  }
  return event;
}

/**
 * Returns whether no name is too long or has a NUL, which Postgres cannot store. Without the NUL, it would be another
 * name.
 */
function hasSoundNames(part: object): boolean {
  return Object.entries(part).every(([name, value]) => {
    if (typeof value === 'string') return shown.has(name) || (value.length <= longestName && !value.includes('\0'));
    if (typeof value !== 'object' || value === null) return true;
    return !name.includes('\0') && hasSoundNames(value);
  });
}

function toShown(text: string): string {
  const sound = text.replaceAll('\0', '');
  // A copy, because a part of a long text would keep the whole text in memory.
  return sound.length <= mostShown ? sound : Buffer.from(sound.slice(0, mostShown), 'utf16le').toString('utf16le');
}

function readParts(eventName: string, payload: unknown): GitHubEvent {
  const body = objectIn(payload);
  if (!body) return malformed('the payload is not an object');
  switch (eventName) {
    case 'push':
      return readPush(body);
    case 'pull_request':
      return readPullRequest(body);
    case 'workflow_run':
      return readWorkflowRun(body);
    case 'installation':
    case 'installation_repositories':
    case 'installation_target':
      return readInstallation(eventName, body);
    case 'repository':
      return readRepository(body);
    case 'check_run':
    case 'check_suite':
      return readRerequest(eventName, body);
    case 'github_app_authorization':
      return readAuthorization(body);
    case 'ping':
      return { kind: 'ping' };
    case 'create':
    case 'delete':
      // Only `push` builds branches and tags.
      return { kind: 'ignored', reason: 'ref_event' };
    default:
      return { kind: 'ignored', reason: 'event_not_consumed' };
  }
}

/** Forty zeros, or 64 in a SHA-256 repository: no commit on that side. */
export function isZeroSha(sha: string): boolean {
  return /^(0{40}|0{64})$/.test(sha);
}

function readPush(body: Payload): GitHubEvent {
  const subject = subjectOf(body);
  const ref = textIn(body, 'ref') ?? '';
  const [before, after] = [textIn(body, 'before') ?? '', textIn(body, 'after') ?? ''];
  const refType = ref.startsWith('refs/heads/') ? 'branch' : ref.startsWith('refs/tags/') ? 'tag' : undefined;
  const refName = ref.slice(refType === 'branch' ? 'refs/heads/'.length : 'refs/tags/'.length);
  if (!subject) return malformed('the push names no repository');
  if (!refType || refName === '') return malformed('the push names neither a branch nor a tag');
  if (!isSha(after)) return malformed('the push names no commit');
  const head = objectIn(body, 'head_commit');
  const message = textIn(head, 'message');
  const headId = textIn(head, 'id') ?? '';
  const pushedAt = idIn(objectIn(body, 'repository'), 'pushed_at');
  return {
    kind: 'push',
    ...subject,
    ref,
    refType,
    refName,
    before,
    after,
    created: flagIn(body, 'created'),
    deleted: flagIn(body, 'deleted') || isZeroSha(after),
    forced: flagIn(body, 'forced'),
    headSha: refType === 'tag' && isSha(headId) ? headId : after,
    ...(message !== undefined && { message }),
    ...(pushedAt !== undefined && { pushedAt: pushedAt * 1000 }),
  };
}

function readPullRequest(body: Payload): GitHubEvent {
  const subject = subjectOf(body);
  const pull = objectIn(body, 'pull_request');
  const head = objectIn(pull, 'head');
  const base = objectIn(pull, 'base');
  const number = idIn(pull, 'number') ?? idIn(body, 'number');
  const headSha = textIn(head, 'sha') ?? '';
  const [headRef, baseRef] = [textIn(head, 'ref'), textIn(base, 'ref')];
  if (!subject || !number || !headRef || !baseRef || !isSha(headSha))
    return malformed('the pull request is incomplete');
  const headRepositoryId = idIn(objectIn(head, 'repo'), 'id');
  const title = textIn(pull, 'title');
  return {
    kind: 'pull_request',
    ...subject,
    action: textIn(body, 'action') ?? '',
    number,
    headSha,
    headRef,
    ...(headRepositoryId !== undefined && { headRepositoryId }),
    baseRef,
    baseSha: textIn(base, 'sha') ?? '',
    fork: headRepositoryId !== subject.repositoryId,
    draft: flagIn(pull, 'draft'),
    ...(title !== undefined && { title }),
  };
}

function readWorkflowRun(body: Payload): GitHubEvent {
  const subject = subjectOf(body);
  const run = objectIn(body, 'workflow_run');
  const runId = idIn(run, 'id');
  if (!subject || !runId) return malformed('the workflow run is incomplete');
  const conclusion = textIn(run, 'conclusion');
  return {
    kind: 'workflow_run',
    ...subject,
    action: textIn(body, 'action') ?? '',
    runId,
    runAttempt: idIn(run, 'run_attempt') ?? 1,
    status: textIn(run, 'status') ?? '',
    ...(conclusion !== undefined && { conclusion }),
    displayTitle: textIn(run, 'display_title') ?? textIn(run, 'name') ?? '',
    headSha: textIn(run, 'head_sha') ?? '',
    htmlUrl: textIn(run, 'html_url') ?? '',
    event: textIn(run, 'event') ?? '',
  };
}

function readInstallation(kind: InstallationEvent['kind'], body: Payload): GitHubEvent {
  const installation = objectIn(body, 'installation');
  const installationId = idIn(installation, 'id');
  if (!installation || !installationId) return malformed('the event names no installation');
  const ids = (...keys: string[]) =>
    keys.flatMap((key) => listIn(body, key).flatMap((repository) => idIn(repository, 'id') ?? []));
  const senderId = idIn(objectIn(body, 'sender'), 'id');
  const requesterId = idIn(objectIn(body, 'requester'), 'id');
  const installedAt = timeIn(installation, 'created_at');
  return {
    kind,
    action: textIn(body, 'action') ?? '',
    installationId,
    installation,
    addedRepositoryIds: ids('repositories', 'repositories_added'),
    removedRepositoryIds: ids('repositories_removed'),
    ...(senderId !== undefined && { senderId }),
    ...(requesterId !== undefined && { requesterId }),
    ...(installedAt !== undefined && { installedAt }),
  };
}

function readRepository(body: Payload): GitHubEvent {
  const subject = subjectOf(body);
  if (!subject) return malformed('the event names no repository');
  return { kind: 'repository', action: textIn(body, 'action') ?? '', ...subject };
}

function readAuthorization(body: Payload): GitHubEvent {
  const githubUserId = idIn(objectIn(body, 'sender'), 'id');
  if (!githubUserId) return malformed('the event names no person');
  return { kind: 'github_app_authorization', action: textIn(body, 'action') ?? '', githubUserId };
}

/** Checks have many events. Only a person's request matters here. */
function readRerequest(kind: CheckEvent['kind'], body: Payload): GitHubEvent {
  if (textIn(body, 'action') !== 'rerequested') return { kind: 'ignored', reason: 'event_not_consumed' };
  const subject = subjectOf(body);
  return (subject && readCheck(kind, body, subject)) ?? malformed('the check is incomplete');
}

function subjectOf(body: Payload): Subject | undefined {
  const repositoryId = idIn(objectIn(body, 'repository'), 'id');
  if (!repositoryId) return undefined;
  const installationId = idIn(objectIn(body, 'installation'), 'id');
  const senderId = idIn(objectIn(body, 'sender'), 'id');
  return {
    repositoryId,
    ...(installationId !== undefined && { installationId }),
    ...(senderId !== undefined && { senderId }),
  };
}

function isSha(text: string): boolean {
  return /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(text);
}

function malformed(reason: string): GitHubEvent {
  return { kind: 'malformed', reason };
}
