import { idIn, objectIn, type Payload, textIn } from './github-payload.ts';

/** A person clicked "Re-run" on a check run, or "Re-run all checks" on a commit. */
export type CheckEvent = Check &
  // The check run's id, and the external id that its App set.
  ({ kind: 'check_run'; checkRun: { id: number; externalId: string } } | { kind: 'check_suite' });

type Check = {
  action: string;
  installationId?: number;
  repositoryId: number;
  senderId?: number;
  /** GitHub's id of the App that owns the check. */
  appId: number;
  headSha: string;
};

type Subject = Pick<CheckEvent, 'installationId' | 'repositoryId' | 'senderId'>;

/** Reads the event of a check. Undefined if it does not name the App. */
export function readCheck(kind: CheckEvent['kind'], body: Payload, subject: Subject): CheckEvent | undefined {
  const check = objectIn(body, kind);
  const checkRunId = idIn(check, 'id');
  const appId = idIn(objectIn(check, 'app'), 'id');
  const headSha = textIn(check, 'head_sha') ?? '';
  if (!checkRunId || !appId || !/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(headSha)) return undefined;
  const facts = { ...subject, action: textIn(body, 'action') ?? '', appId, headSha };
  if (kind === 'check_suite') return { kind, ...facts };
  return { kind, ...facts, checkRun: { id: checkRunId, externalId: textIn(check, 'external_id') ?? '' } };
}
