import { activityInfo, heartbeat } from '@temporalio/activity';

const everyMs = 3_000;

// biome-ignore lint/suspicious/noExplicitAny: activities take any parameters, and each one keeps its own type.
export type AnyActivities = Record<string, (...parameters: any[]) => Promise<unknown>>;

/**
 * The same activities, which send heartbeats if their workflow asked for them with a heartbeat timeout. Temporal then
 * notices within seconds that a worker has died. Operators see the first parameter as the details of the heartbeat.
 */
export function withHeartbeats<Activities extends AnyActivities>(activities: Activities): Activities {
  const wrapped = Object.entries(activities).map(([name, activity]) => [
    name,
    async (...parameters: unknown[]) => {
      if (!activityInfo().heartbeatTimeoutMs) return activity(...parameters);
      heartbeat(parameters[0]);
      const timer = setInterval(() => heartbeat(parameters[0]), everyMs);
      try {
        return await activity(...parameters);
      } finally {
        clearInterval(timer);
      }
    },
  ]);
  return Object.fromEntries(wrapped) as Activities;
}
