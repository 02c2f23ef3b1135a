import { ApplicationFailure } from '@temporalio/common';

/** A log of two parts. GitHub redelivers some of it, and the workflow checks for that later. */
const sending = { recovered: 500, sentAgain: 4, next: '77', again: true };
export const nothingRead = { recovered: 0, sentAgain: 0, next: null, again: false };
const gaps = ['a', 'b'].map((last) => ({
  repositoryId: `repo_0000000000000000000000000${last}`,
  ownerId: 'prj_0000000000000000000000000a',
}));
export const recovering = {
  beginRecovery: async () => ({ begunAt: 1_700_000_000_000, gaps: [] as typeof gaps }),
  readDeliveryLog: async () => nothingRead,
  fillGap: async () => 1,
  finishRecovery: async () => {},
};
export const recoveries: Record<string, { activities?: object; requests: number }> = {
  'recover-deliveries-done': { requests: 1, activities: { readDeliveryLog: [sending, nothingRead] } },
  'recover-deliveries-rested': { requests: 1, activities: { readDeliveryLog: [sending, nothingRead] } },
  // One of the two repositories cannot be read.
  'recover-deliveries-gaps': {
    requests: 0,
    activities: {
      beginRecovery: async () => ({ begunAt: 1_700_000_000_000, gaps }),
      fillGap: async ({ repositoryId }: { repositoryId: string }) => {
        if (repositoryId === gaps[1]?.repositoryId) return 1;
        throw ApplicationFailure.create({ type: 'permission_missing', message: 'No', nonRetryable: true });
      },
    },
  },
  'recover-deliveries-rejected': {
    requests: 1,
    activities: {
      readDeliveryLog: async () => {
        throw ApplicationFailure.create({
          type: 'app_credentials_rejected',
          message: 'GitHub does not accept the key',
          nonRetryable: true,
        });
      },
    },
  },
};
