import { expect, test } from 'vitest';
import { allowedRedirect } from '../../../domain/connect/redirects.ts';

const origins = ['https://console.example.com', 'http://localhost:8080'];

test.each([
  'https://console.example.com',
  'https://console.example.com/done?project=1#top',
  'http://localhost:8080/x',
  'HTTPS://CONSOLE.example.com/',
])('accepts %s, which is below an allowed origin', (url) => {
  expect(allowedRedirect(url, origins)).toBe(new URL(url).href);
});

test.each([
  '',
  '/done',
  '//evil.example',
  '/\\evil.example',
  '\\\\evil.example',
  'https:evil.example',
  'https:/evil.example',
  'https:///evil.example',
  'https:\\\\console.example.com',
  'https://evil.example',
  'https://console.example.com.evil.example',
  'https://console.example.com@evil.example/',
  'https://user@console.example.com/',
  'https://evil.example/https://console.example.com',
  'https://evil.example%2f@console.example.com/',
  'http://console.example.com/',
  'https://console.example.com:8443/',
  'https://console.example.com\t.evil.example/',
  'https://console.example.com/\r\nset-cookie: a=b',
  'https://console.example.com/\u0000',
  ' https://console.example.com/',
  'javascript:alert(1)//https://console.example.com',
  'data:text/html,https://console.example.com',
  '%2f%2fevil.example',
])('rejects %j', (url) => {
  expect(allowedRedirect(url, origins)).toBeUndefined();
});
