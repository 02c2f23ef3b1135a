import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { addClientSecret, addKey, deleteKey, fingerprintOf } from '../../../stand-ins/github/credentials.ts';
import type { App } from '../../../stand-ins/github/stand-in.ts';
import type { Canary } from './canaries.ts';
import type { Day } from './day.ts';
import { keyCanaries } from './keys.ts';

type Rotated = { operation: { status: string; error: { code: string } | null } };

/** Replaces all three secrets of an App. The caller looks for the old ones. */
export async function rotateAll({ scene: { github }, me }: Day, app: App, integrationId: string): Promise<Canary[]> {
  const at = `/v1/integrations/${integrationId}/credentials/rotate?wait=30`;
  const rotate = async (body: object) =>
    (await me.send<Rotated>('POST', at, body, { 'idempotency-key': randomUUID() })).body.operation;
  const lastBy = () => github.ledger.flatMap(({ credential }) => credential ?? []);

  const before = app.webhookSecret;
  expect(await rotate({ kind: 'webhook_secret' })).toMatchObject({ status: 'succeeded' });
  const made = app.webhookSecret;
  expect(made).not.toBe(before);
  const ping = await github.sendWebhook({ app, event: 'ping', payload: { zen: randomUUID() } });
  expect(ping.status).toBe(202);

  const foreign = addKey(github.addApp());
  const refused = await rotate({ kind: 'private_key', private_key: foreign });
  expect(refused).toMatchObject({ status: 'failed', error: { code: 'credential_refused' } });
  const key = addKey(app);
  expect(await rotate({ kind: 'private_key', private_key: key })).toMatchObject({ status: 'succeeded' });
  expect(lastBy()).toContain(`key ${fingerprintOf(key)}`);
  deleteKey(app, app.privateKey);
  const secret = addClientSecret(app);
  expect(await rotate({ kind: 'client_secret', client_secret: secret })).toMatchObject({ status: 'succeeded' });
  expect(lastBy()).toContain(`client_secret ${secret.slice(-8)}`);
  return [
    { name: 'the webhook secret that Fairlead made', value: made },
    ...keyCanaries('the key of another App', foreign),
    ...keyCanaries('the new key', key),
    { name: 'the new client secret', value: secret },
  ];
}
