import type { ActivityOptions, LocalActivityOptions } from '@temporalio/workflow';

/** How long an activity is attempted, and what happens between the attempts. */
export type Patience = Pick<
  ActivityOptions,
  'startToCloseTimeout' | 'scheduleToCloseTimeout' | 'heartbeatTimeout' | 'retry'
>;

type Duration = NonNullable<ActivityOptions['startToCloseTimeout']>;

/** How one activity differs from its patience. */
export type Exceptions = {
  /** The time limit of one attempt. */
  attempt?: Duration;
  /** The time limit of all attempts together. */
  total?: Duration;
  retry?: ActivityOptions['retry'];
  /** `none`: the attempts are so short that a dead worker is noticed soon enough. */
  heartbeat?: 'none';
};

const heartbeatTimeout = '15 seconds';

/** One attempt. The workflow reads what it left behind before it does anything else. */
export const once: Patience = {
  startToCloseTimeout: '3 minutes',
  heartbeatTimeout,
  retry: { maximumAttempts: 1 },
};

/** Three attempts. The workflow or a later run tries again, so a long wait has no benefit. */
export const giveUpSoon: Patience = {
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '3 minutes',
  heartbeatTimeout,
  retry: { maximumAttempts: 3, initialInterval: '2 seconds' },
};

/** Attempts for up to an hour. A person has done their part and waits for the result. */
export const keepTrying: Patience = {
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '1 hour',
  heartbeatTimeout,
  retry: pauses('1 second', '1 minute'),
};

/** Attempts for a week. A secret stays valid or an account stays open until the provider confirms the end. */
export const tryForDays: Patience = {
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '7 days',
  heartbeatTimeout,
  retry: pauses('1 second', '30 minutes'),
};

/** Attempts without an end. The activity uses only the database of Fairlead, which comes back. */
export const databaseStep: LocalActivityOptions = {
  startToCloseTimeout: '10 seconds',
  retry: pauses('500 milliseconds', '30 seconds'),
};

/** Returns a retry policy whose pauses double from the first one up to the longest one. */
export function pauses(first: Duration, longest: Duration, maximumAttempts?: number) {
  return {
    initialInterval: first,
    maximumInterval: longest,
    ...(maximumAttempts !== undefined && { maximumAttempts }),
  };
}

/** Returns a patience with the exceptions of one activity. */
export function withExceptions(patience: Patience, { attempt, total, retry, heartbeat }: Exceptions): Patience {
  const { heartbeatTimeout: usual, ...rest } = patience;
  return {
    ...rest,
    ...(usual !== undefined && heartbeat !== 'none' && { heartbeatTimeout: usual }),
    ...(attempt !== undefined && { startToCloseTimeout: attempt }),
    ...(total !== undefined && { scheduleToCloseTimeout: total }),
    ...(retry !== undefined && { retry }),
  };
}
