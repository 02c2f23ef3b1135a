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
 * Hands commands over to Temporal. Each resolves once Temporal has it, or has had it before. Otherwise it throws
 * `TemporalAway`, `CommandRefused`, or what went wrong and may go right another time.
 */
export type TemporalStarter = {
  start(command: Command): Promise<void>;
  signal(command: Command): Promise<void>;
  signalWithStart(command: Command): Promise<void>;
  isReachable(): Promise<boolean>;
};

/** Nobody answered in time. Temporal may have taken the command nevertheless. */
export class TemporalAway extends Error {
  override name = 'TemporalAway';
}

/** Temporal understood, and will never take this command. */
export class CommandRefused extends Error {
  override name = 'CommandRefused';
}

/** Status codes of gRPC (https://grpc.io/docs/guides/status-codes/). */
const grpc = { cancelled: 1, invalidArgument: 3, deadlineExceeded: 4, unavailable: 14 };

const callMs = 5_000;
const probeMs = 2_000;
/** The native connection does not keep short deadlines, so a timer of ours does. */
const eagerMs = 2_000;
/** For how long eager starts are left out after one has failed. */
const eagerRestMs = 10_000;

export function createTemporalStarter({
  client,
  eagerClient,
  attributesAvailable,
}: {
  client: Client;
  /** A client over the worker's own native connection: workflows then begin in this process, without a round trip. */
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

  /** Once without the search attributes, should they be what is refused. */
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

  /** True once the workflow has started; false leaves it to the ordinary way, which is harmless if it has after all. */
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
          // Its start came before, so it has ended: there is nobody left to tell.
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

/** A command that is carried out twice must not run twice, not even after the first run has closed. */
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
