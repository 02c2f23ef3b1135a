import { expect } from 'vitest';
import { type Client, createClient } from '../client.ts';
import type { Day } from './day.ts';

/** Sends invalid requests to the product, with secrets in the wrong places. */
export async function failAtOurDoor(
  { scene: { github, app, repository }, product, projectId }: Day,
  { reader, usedCode, operatorToken }: { reader: Client; usedCode: string; operatorToken: string },
): Promise<void> {
  const payload = github.push(repository, { ref: 'refs/heads/main' });
  for (const signature of [`sha256=${'0'.repeat(64)}`, app.webhookSecret]) {
    const headers = { 'x-hub-signature-256': signature };
    expect((await github.sendWebhook({ app, event: 'push', payload, headers })).status).toBe(401);
  }
  const visitor = createClient(product.url, '');
  const operator = createClient(product.url, operatorToken);
  const account = { kind: 'azure', auth_mode: 'client_secret', project_id: projectId, display_name: 'Cloud' };
  const misplaced = {
    config: { tenant_id: operatorToken, client_id: usedCode },
    credentials: { client_secret: [usedCode] },
  };
  const statuses = [
    (await visitor.send('POST', '/v1/sessions', { code: usedCode })).status,
    (await visitor.send('GET', `/sign-in?code=${usedCode.slice(0, -1)}`)).status,
    (await reader.send('POST', '/v1/orgs', { name: 'x' })).status,
    (await reader.send('GET', '/v1/builds/bld_00000000000000000000000000')).status,
    (await reader.send('POST', '/v1/projects', { nonsense: true })).status,
    (await reader.send('GET', `/v1/nothing/${operatorToken}`)).status,
    (await reader.send('GET', `/v1/builds?limit=${operatorToken}`)).status,
    (await createClient(product.url, `${operatorToken}x`).send('GET', '/v1/me')).status,
    (await visitor.send('GET', `/v1/me?access_token=${operatorToken}`)).status,
    (await operator.send('POST', '/v1/projects', { nonsense: true })).status,
    (await operator.send('POST', '/v1/cloud-accounts', { ...account, ...misplaced })).status,
    // The parser's error might quote it.
    (await fetch(`${product.url}/v1/tokens`, brokenJson(operatorToken))).status,
  ];
  expect(statuses.filter((status) => status < 400 || status >= 500)).toEqual([200]);
  await reader.ask('GET', '/v1/deliveries');
}

const brokenJson = (operatorToken: string): RequestInit => ({
  method: 'POST',
  headers: { authorization: `Bearer ${operatorToken}`, 'content-type': 'application/json' },
  body: `{"name":"x","token":${operatorToken}}`,
});
