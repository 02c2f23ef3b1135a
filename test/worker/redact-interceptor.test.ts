import type { Context as ActivityContext } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import type { ActivityExecuteInput } from '@temporalio/worker';
import { expect, test } from 'vitest';
import { withFailures } from '../../activities/failures.ts';
import { createLogger } from '../../log.ts';
import { createRedactInterceptor } from '../../worker/redact-interceptor.ts';

const token = `ghs_${'A1b2'.repeat(9)}`;

/** Returns the error that leaves an activity that throws this error, and the log of it. */
async function through(error: unknown): Promise<{ thrown: unknown; log: string }> {
  const lines: string[] = [];
  const logger = createLogger('debug', { write: (line) => void lines.push(line) });
  const info = { activityType: 'sendDispatch', attempt: 1, workflowExecution: { workflowId: 'build/bld_1' } };
  const { inbound } = createRedactInterceptor(logger)({ info } as unknown as ActivityContext);
  const thrown = await inbound
    ?.execute?.({ args: [], headers: {} } as ActivityExecuteInput, () => Promise.reject(error))
    .catch((caught: unknown) => caught);
  return { thrown, log: lines.join('') };
}

test('keeps secrets, stacks and causes of any error out of the history', async () => {
  const below = new Error(`Authorization: Bearer ${token}`);
  const { thrown, log } = await through(new TypeError(`GET https://api.github.com/?token=${token}`, { cause: below }));
  expect(thrown).toBeInstanceOf(ApplicationFailure);
  const { message, stack, cause, type } = thrown as ApplicationFailure;
  expect(type).toBe('TypeError');
  expect(cause).toBeUndefined();
  expect(message).toContain('GET https://api.github.com/');
  expect(`${message}${stack}`).not.toContain(token);
  expect(log).toContain('sendDispatch');
  expect(log).not.toContain(token);
});

test('shows a fixed sentence for an unexpected error in the history, and the error itself in the log', async () => {
  const original = new TypeError(`insert into builds values ('somebody’s row', '${token}')`);
  const { fails } = withFailures({ fails: async (): Promise<void> => Promise.reject(original) });
  const { thrown, log } = await through(await fails().catch((error: unknown) => error));
  expect(thrown).toMatchObject({ type: 'internal', nonRetryable: false });
  expect(`${(thrown as Error).message}${(thrown as Error).stack}`).not.toContain('builds');
  expect(log).toContain('TypeError');
  expect(log).toContain('somebody’s row');
  expect(log).not.toContain(token);
});

test('keeps what Temporal needs of a failure', async () => {
  const failure = ApplicationFailure.create({
    message: `no ${token}`,
    type: 'rate_limited',
    nonRetryable: true,
    nextRetryDelay: 90_000,
    details: [{ note: token }],
  });
  const { thrown } = await through(failure);
  expect(thrown).toMatchObject({ type: 'rate_limited', nonRetryable: true, nextRetryDelay: 90_000 });
  expect(JSON.stringify((thrown as ApplicationFailure).details)).not.toContain(token);
});

test('leaves a cancellation unchanged', async () => {
  const cancellation = new CancelledFailure('stop');
  expect((await through(cancellation)).thrown).toBe(cancellation);
});
