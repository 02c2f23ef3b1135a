import { expect, test } from 'vitest';
import { githubHost } from '../../../domain/github/github-host.ts';

test.each([
  ['https://github.com', undefined, 'https://api.github.com', 'github.com', '/apps', 25, true],
  ['https://github.com/', undefined, 'https://api.github.com', 'github.com', '/apps', 25, true],
  ['https://acme.ghe.com', undefined, 'https://api.acme.ghe.com', 'ghec', '/apps', 25, true],
  ['https://git.acme.dev', undefined, 'https://git.acme.dev/api/v3', 'ghes', '/github-apps', 10, false],
  ['https://git.acme.dev:8443', undefined, 'https://git.acme.dev:8443/api/v3', 'ghes', '/github-apps', 10, false],
  [
    'https://git.acme.dev',
    'https://api.git.acme.dev/api/v3/',
    'https://api.git.acme.dev/api/v3',
    'ghes',
    '/github-apps',
    10,
    false,
  ],
  ['https://github.com', 'http://127.0.0.1:4010', 'http://127.0.0.1:4010', 'github.com', '/apps', 25, true],
] as const)(
  '%s (API %s) uses the API at %s as %s',
  (web, given, api, flavour, appPathPrefix, maxInputs, returnsRunDetails) => {
    expect(githubHost(web, given)).toEqual({
      web: web.replace(/\/$/, ''),
      api,
      flavour,
      appPathPrefix,
      apiVersion: '2022-11-28',
      maxInputs,
      returnsRunDetails,
    });
  },
);
