import {
  type Client,
  isGrpcServiceError,
  type WorkflowClient,
  WorkflowExecutionAlreadyStartedError,
  type WorkflowStartOptions,
} from '@temporalio/client';
import { defineSearchAttributeKey, WorkflowNotFoundError } from '@temporalio/common';
import type { Command } from '../db/store/commands.ts';
import { taskQueue } from '../workflows/ids.ts';

/**
 * Sends commands to Temporal. Each call resolves once Temporal has the command. Otherwise it throws `TemporalAway`,
 * `CommandRefused`, or an error that can pass.
 */
export type TemporalStarter = {
  start(command: Command): Promise<void>;
  signal(command: Command): Promise<void>;
  signalWithStart(command: Command): Promise<void>;
  isReachable(): Promise<boolean>;
};

/** Temporal did not respond in time, but it can have accepted the command. */
export class TemporalAway extends Error {
  override name = 'TemporalAway';
}

/** Temporal will never accept this command. */
export class CommandRefused extends Error {
  override name = 'CommandRefused';
}

/** Status codes of gRPC (https://grpc.io/docs/guides/status-codes/). */
const grpc = { cancelled: 1, invalidArgument: 3, deadlineExceeded: 4, unavailable: 14 };

const callMs = 5_000;
const probeMs = 2_000;
/** The native connection does not keep short deadlines, so our timer does. */
const eagerMs = 2_000;
/** How long eager starts are skipped after one has failed. */
const eagerRestMs = 10_000;

/**
 * Sends commands to the starter that `use` gives it. Until then, Temporal counts as away, so the relay keeps the
 * commands in the database.
 */
export function createLateStarter(): { starter: TemporalStarter; use(starter: TemporalStarter): void } {
  const away = async () => {
    throw new TemporalAway('Temporal is not connected yet');
  };
  let current: TemporalStarter = { start: away, signal: away, signalWithStart: away, isReachable: async () => false };
  return {
    starter: {
      start: (command) => current.start(command),
      signal: (command) => current.signal(command),
      signalWithStart: (command) => current.signalWithStart(command),
      isReachable: () => current.isReachable(),
    },
    use(starter) {
      current = starter;
    },
  };
}

export function createTemporalStarter({
  client,
  eagerClient,
  attributesAvailable,
}: {
  client: Client;
  /** A client over the worker's own native connection. Its workflows begin in this process without a round trip. */
  eagerClient?: Client | undefined;
  /** Whether the namespace knows our search attributes. */
  attributesAvailable: boolean;
}): TemporalStarter {
  let withAttributes = attributesAvailable;
  let eagerAfter = 0;

  function startOptions(command: Command): WorkflowStartOptions {
    const attributes = withAttributes ? Object.entries(command.attributes ?? {}) : [];
    return {
      workflowId: command.workflowId,
      taskQueue,
      args: command.input === null || command.input === undefined ? [] : [command.input],
      ...(command.summary && { staticSummary: command.summary }),
      ...(attributes.length > 0 && {
        typedSearchAttributes: attributes.map(([name, value]) => ({
          key: defineSearchAttributeKey(name, 'KEYWORD'),
          value,
        })),
      }),
    };
  }

  async function call(work: (workflows: WorkflowClient) => Promise<unknown>): Promise<void> {
    try {
      await client.withDeadline(Date.now() + callMs, () => work(client.workflow));
    } catch (error) {
      if (error instanceof WorkflowExecutionAlreadyStartedError) return;
      throw explain(error);
    }
  }

  /** Repeats the start without the search attributes if they are what Temporal refuses. */
  async function withOrWithoutAttributes(command: Command, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const attributed = withAttributes && Object.keys(command.attributes ?? {}).length > 0;
      if (!(error instanceof CommandRefused) || !attributed) throw error;
      withAttributes = false;
      try {
        await work();
      } catch (second) {
        withAttributes = true;
        throw second;
      }
    }
  }

  /**
   * Returns true once the workflow has started. After false, the ordinary way starts it, which is harmless if it has
   * already started.
   */
  async function startEagerly(command: Command): Promise<boolean> {
    if (!eagerClient || Date.now() < eagerAfter) return false;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new TemporalAway('The eager start took too long')), eagerMs);
    });
    const options = { ...startOptions(command), ...startOnce, requestEagerStart: true };
    const started = eagerClient.workflow.start(command.workflow, options);
    try {
      await Promise.race([started, late]);
      return true;
    } catch (error) {
      if (error instanceof WorkflowExecutionAlreadyStartedError) return true;
      started.catch(() => {});
      eagerAfter = Date.now() + eagerRestMs;
      return false;
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    async start(command) {
      if (await startEagerly(command)) return;
      await withOrWithoutAttributes(command, () =>
        call((workflows) => workflows.start(command.workflow, { ...startOptions(command), ...startOnce })),
      );
    },

    async signal({ workflowId, signal = '', input }) {
      await call(async (workflows) => {
        try {
          const given = input === null || input === undefined ? [] : [input];
          await workflows.getHandle(workflowId).signal(signal, ...given);
        } catch (error) {
          // It was started before, so it has ended and needs no signal.
          if (!(error instanceof WorkflowNotFoundError)) throw error;
        }
      });
    },

    async signalWithStart(command) {
      await withOrWithoutAttributes(command, () =>
        call((workflows) =>
          workflows.signalWithStart(command.workflow, {
            ...startOptions(command),
            workflowIdConflictPolicy: 'USE_EXISTING',
            signal: command.signal ?? '',
            signalArgs: [],
          }),
        ),
      );
    },

    async isReachable() {
      try {
        await client.withDeadline(Date.now() + probeMs, () => client.workflowService.getSystemInfo({}));
        return true;
      } catch {
        return false;
      }
    },
  };
}

/** A command that is sent twice must not run twice, even after the first run has closed. */
const startOnce = { workflowIdReusePolicy: 'REJECT_DUPLICATE', workflowIdConflictPolicy: 'FAIL' } as const;

function explain(error: unknown): unknown {
  const cause = error instanceof Error ? error.cause : undefined;
  const failure = [error, cause].find(isGrpcServiceError);
  const code: number | undefined = failure?.code;
  if (code === grpc.unavailable || code === grpc.deadlineExceeded || code === grpc.cancelled) {
    return new TemporalAway('Temporal does not answer', { cause: error });
  }
  if (code === grpc.invalidArgument) {
    return new CommandRefused(`Temporal refused it: ${failure?.details ?? 'invalid argument'}`, { cause: error });
  }
  return error;
}
