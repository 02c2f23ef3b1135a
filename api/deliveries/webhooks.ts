import type { Context } from 'koa';
import { z } from 'zod';
import type { ApiDeps } from '../http/deps.ts';
import { type Endpoint, endpoint } from '../http/endpoint.ts';
import { id } from '../http/input.ts';

const description = `The body is taken as it came, up to 25 MB, and its \`X-Hub-Signature-256\` is verified over these bytes. The answer
comes after the webhook is safely stored; whatever follows from it happens later, and is shown by its delivery.`;

const Accepted = z
  .object({
    delivery_id: id('dlv'),
    duplicate: z.boolean().describe('It was known already, by its id or by its content; nothing happens twice'),
  })
  .meta({ id: 'ReceivedWebhook' });

/** Outside the JSON frame: nothing is parsed, and no origin is allowed. */
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
    problems: ['invalid_signature', 'invalid_request', 'body_too_large', 'unsupported_media_type', 'unavailable'],
    raw: receive,
  } as const;
  return [
    endpoint({
      ...shared,
      problems: [...shared.problems],
      path: '/v1/webhooks/github',
      operationId: 'receiveGithubWebhook',
      summary: 'Take a webhook of GitHub in',
      description: `${description} The App is found by \`X-GitHub-Hook-Installation-Target-ID\`.`,
    }),
    endpoint({
      ...shared,
      problems: [...shared.problems],
      path: '/v1/webhooks/github/{github_app}',
      operationId: 'receiveGithubAppWebhook',
      summary: 'Take a webhook of one GitHub App in',
      description,
      params: z.strictObject({ github_app: id('gha') }),
    }),
  ];
}
