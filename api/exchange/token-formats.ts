import type { formats } from './exchange-request.ts';

/** GitHub takes any name beside a token, and documents this one. */
const username = 'x-access-token';

/** The token as its user takes it; every member here is secret, or says how to use one that is. */
export function formatToken(format: (typeof formats)[number], token: string, hostUrl: string): Record<string, unknown> {
  if (format === 'bearer') return { token };
  if (format === 'basic') return { username, password: token };
  const basic = Buffer.from(`${username}:${token}`).toString('base64');
  return {
    env: {
      GH_HOST: new URL(hostUrl).host,
      [isHosted(hostUrl) ? 'GH_TOKEN' : 'GH_ENTERPRISE_TOKEN']: token,
      // So that git asks nobody, and writes nothing into its configuration.
      GIT_TERMINAL_PROMPT: '0',
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: `http.${new URL(hostUrl).origin}/.extraheader`,
      GIT_CONFIG_VALUE_0: `Authorization: Basic ${basic}`,
    },
  };
}

function isHosted(hostUrl: string): boolean {
  const { hostname } = new URL(hostUrl);
  return hostname === 'github.com' || hostname.endsWith('.ghe.com');
}
