import { expect, test } from 'vitest';
import { looksPublic, webhookAddress } from '../../../domain/deliveries/webhook-address.ts';

test.each([
  'https://fairlead.example.com',
  'https://93.184.216.34',
  'https://[2606:2800:220:1::1]',
  'http://a.io:8080',
])('treats %s as public', (url) => expect(looksPublic(url)).toBe(true));

test.each([
  'http://localhost:8080',
  'http://app.localhost',
  'http://127.0.0.1:8080',
  'https://10.1.2.3',
  'https://172.16.0.1',
  'https://172.31.255.1',
  'https://192.168.0.10',
  'https://169.254.1.1',
  'https://100.64.0.1',
  'https://[::1]',
  'https://[fd00::1]',
  'https://ci.internal',
  'https://fairlead.local',
  'https://fairlead',
])('treats %s as not public', (url) => expect(looksPublic(url)).toBe(false));

test('a webhook goes to Fairlead, to the configured address, or nowhere', () => {
  const publicUrl = 'https://fairlead.example.com';
  const id = 'gha_01k4z9v7c1q8x0m3t5n2b6d4fa';
  expect(webhookAddress({ mode: 'push', publicUrl }, id)).toBe(`${publicUrl}/v1/webhooks/github/${id}`);
  const webhookUrl = 'https://hooks.example.com/x';
  expect(webhookAddress({ mode: 'pull', publicUrl, webhookUrl }, id)).toBe(`${webhookUrl}/v1/webhooks/github/${id}`);
  const nowhere = new URL(webhookAddress({ mode: 'pull', publicUrl: 'http://localhost:8080' }, id));
  expect(nowhere.hostname).toBe(`${id.replace('_', '-')}.fairlead.invalid`);
  expect(nowhere.protocol).toBe('https:');
});
