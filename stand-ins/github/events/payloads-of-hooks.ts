import type { App } from '../state.ts';
import type { Payload } from './webhooks.ts';

/** The first event of a new hook. */
export function pingPayload({ appId, hookId, hookUrl, events, contentType }: App): Payload {
  return {
    zen: 'Keep it logically awesome.',
    hook_id: hookId,
    hook: {
      type: 'App',
      id: hookId,
      name: 'web',
      active: true,
      events,
      app_id: appId,
      config: { content_type: contentType, insecure_ssl: '0', secret: '********', url: hookUrl ?? '' },
    },
  };
}
