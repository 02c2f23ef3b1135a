import { expect, test } from 'vitest';
import { appJwt, ask } from './ask.ts';
import { installed, receiver } from './installed.ts';

test('pages through the delivery log by cursor without gaps or repetitions, and forgets old entries', async () => {
  const { github, app, repository } = await installed();
  app.hookUrl = (await receiver()).hookUrl;
  const payload = github.push(repository, { ref: 'refs/heads/main' });
  for (let number = 0; number < 5; number++) {
    await github.sendWebhook({ app, event: 'push', payload, guid: `g-${number}` });
  }
  const guids: string[] = [];
  let next: string | undefined = '/app/hook/deliveries?per_page=2';
  while (next) {
    const answer = await ask(github.apiUrl, `GET ${next}`, { authorization: appJwt(app) });
    guids.push(...(answer.body as unknown as { guid: string }[]).map(({ guid }) => guid));
    next = /<([^>]+)>; rel="next"/.exec(answer.headers.get('link') ?? '')?.[1]?.slice(github.apiUrl.length);
  }
  expect(guids).toEqual(['g-4', 'g-3', 'g-2', 'g-1', 'g-0']);

  for (const delivery of github.state.deliveries) delivery.deliveredAt -= 3 * 86_400_000 + 1000;
  const later = await ask(github.apiUrl, 'GET /app/hook/deliveries', { authorization: appJwt(app) });
  expect(later.body).toEqual([]);
  expect(github.violations).toEqual([]);
});

test('sends forms for a hook whose update omitted the content type', async () => {
  const { github, app, repository } = await installed();
  const { received, hookUrl } = await receiver();
  const authorization = appJwt(app);
  const changed = await ask(github.apiUrl, 'PATCH /app/hook/config', { authorization, body: { url: hookUrl } });
  expect(changed.body).toMatchObject({ content_type: 'form', secret: '********', url: hookUrl });
  const payload = github.push(repository, {
    ref: 'refs/heads/main',
    commits: [{ id: 'a'.repeat(40) }, { id: 'b'.repeat(40) }],
  });
  expect(payload).toMatchObject({ after: 'b'.repeat(40), head_commit: { id: 'b'.repeat(40) }, commits: [{}, {}] });
  await github.sendWebhook({ app, event: 'push', payload });
  expect(received[0]?.headers['content-type']).toBe('application/x-www-form-urlencoded');
  expect(JSON.parse(new URLSearchParams(received[0]?.body).get('payload') ?? '')).toEqual(payload);
});

test('signs later webhooks with a secret that was changed over the API', async () => {
  const { github, app, repository } = await installed();
  const { received, hookUrl } = await receiver();
  const payload = github.push(repository, { ref: 'refs/heads/main' });
  const send = () => github.sendWebhook({ app, event: 'push', payload, to: hookUrl });
  await send();
  const body = { secret: 'another', content_type: 'json' };
  await ask(github.apiUrl, 'PATCH /app/hook/config', { authorization: appJwt(app), body });
  await send();
  const [before, after] = received;
  expect(after?.body).toBe(before?.body);
  expect(after?.headers['x-hub-signature-256']).not.toBe(before?.headers['x-hub-signature-256']);
});
