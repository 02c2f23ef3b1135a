import { expect, test } from 'vitest';
import { authorizeUrl, installUrl, manifestFormUrl } from '../../../domain/github/github-urls.ts';

const web = 'https://github.com';

test('each page has the URL that GitHub documents', () => {
  expect(manifestFormUrl(web, { state: 's' })).toBe('https://github.com/settings/apps/new?state=s');
  expect(manifestFormUrl(web, { organization: 'acme', state: 's' })).toBe(
    'https://github.com/organizations/acme/settings/apps/new?state=s',
  );
  const app = { web, appPathPrefix: '/apps', slug: 'fairlead', state: 's' };
  expect(installUrl(app)).toBe('https://github.com/apps/fairlead/installations/new?state=s');
  expect(installUrl({ ...app, appPathPrefix: '/github-apps', targetId: 7 })).toBe(
    'https://github.com/github-apps/fairlead/installations/new/permissions?target_id=7&state=s',
  );
  expect(
    authorizeUrl({ web, clientId: 'Iv1.x', redirectUri: 'https://f.example/cb', state: 's', challenge: 'c' }),
  ).toBe(
    'https://github.com/login/oauth/authorize?client_id=Iv1.x&redirect_uri=https%3A%2F%2Ff.example%2Fcb&state=s&code_challenge=c&code_challenge_method=S256',
  );
});

test('an invalid name does not lead to another page', () => {
  for (const hostile of ['../../evil', '@evil.example', 'a?b=c#d', 'a/b', '%2f..', 'acme\ud800']) {
    for (const url of [
      manifestFormUrl(web, { organization: hostile, state: hostile }),
      installUrl({ web, appPathPrefix: '/apps', slug: hostile, state: hostile }),
      authorizeUrl({ web, clientId: hostile, redirectUri: hostile, state: hostile }),
    ]) {
      const { origin, pathname, searchParams, hash } = new URL(url);
      expect(origin).toBe(web);
      expect(hash).toBe('');
      expect(pathname).toMatch(/^\/(organizations|apps|login|settings)\//);
      expect(searchParams.get('b')).toBeNull();
    }
  }
});
