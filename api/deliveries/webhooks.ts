import type { Context } from 'koa';
import { z } from 'zod';
import type { ApiDeps } from '../http/deps.ts';
import { type Endpoint, endpoint } from '../http/endpoint.ts';
import { id } from '../http/input.ts';

const description = `The body can have up to 25 MB, and \`X-Hub-Signature-256\` must match its bytes. You get the response when the
webhook is stored. Fairlead processes it later: the delivery shows the result.`;

const Accepted = z
  .object({
    delivery_id: id('dlv'),
    duplicate: z.boolean().describe('Whether Fairlead already has this webhook. Nothing is processed twice'),
  })
  .meta({ id: 'ReceivedWebhook' });

/** The webhook routes. They bypass the JSON frame: no body is parsed and no origin is allowed. */
export function webhookRoutes({ intake, limiter }: Pick<ApiDeps, 'intake' | 'limiter'>): Endpoint[] {
  async function receive(ctx: Context): Promise<void> {
    const { status, headers, body } = await intake.receive(ctx.req, {
      ip: ctx.ip,
      githubAppId: ctx['params']?.github_app,
    });
    if (status === 401) limiter.noteRefusedWebhook(ctx.ip);
    ctx.set(headers);
    ctx.status = status;
    ctx.body = body;
    ctx.type = headers['content-type'] ?? 'application/json';
  }
  const shared = {
    method: 'post',
    tag: 'webhooks',
    access: 'public',
    unlimited: true,
    success: { status: 202, body: Accepted, description: 'Stored' },
    problems: [
      'invalid_signature',
      'invalid_request',
      'body_too_large',
      'unsupported_media_type',
      'secret_unreadable',
      'unavailable',
    ],
    raw: receive,
  } as const;
  return [
    endpoint({
      ...shared,
      problems: [...shared.problems],
      path: '/v1/webhooks/github',
      operationId: 'receiveGithubWebhook',
      summary: 'Receive a GitHub webhook',
      description: `${description} \`X-GitHub-Hook-Installation-Target-ID\` identifies the GitHub App.`,
    }),
    endpoint({
      ...shared,
      problems: [...shared.problems],
      path: '/v1/webhooks/github/{github_app}',
      operationId: 'receiveGithubAppWebhook',
      summary: 'Receive a webhook of one GitHub App',
      description,
      params: z.strictObject({ github_app: id('gha') }),
    }),
  ];
}
