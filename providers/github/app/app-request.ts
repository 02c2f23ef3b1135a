import type { KeyObject } from 'node:crypto';
import { App } from '@octokit/app';
import { createAppAuth, type StrategyOptions } from '@octokit/auth-app';
import { Octokit } from '@octokit/core';
import { hostNow, optionsOf, type Request, toProviderError, type Wire } from '../client.ts';
import { appJwt } from './app-jwt.ts';

type Credentials = { appId: string | number; privateKey: KeyObject; account?: string | undefined };

type Unsigned = { headers: { authorization?: string } };

/** Sends requests as the App itself. The library gets no private key: it asks `createJwt` for each signature. */
export function appRequest(wire: Wire, { appId, privateKey, account }: Credentials): Request {
  const createJwt = () => appJwt({ appId, privateKey, hostNow: hostNow(wire) });
  const ours = {
    ...optionsOf(wire, account ?? `app:${appId}`),
    authStrategy: (options: StrategyOptions) => signEachRequest(wire, options),
    auth: { appId, createJwt },
  };
  // The constructor of `App` sets a strategy with a private key. The function replaces both.
  const app = new App({ appId, privateKey: '', log: ours.log, Octokit: Octokit.defaults(() => ours) });
  return app.octokit.request;
}

/**
 * The library's App authentication with a hook of our own. The library's hook repeats every request that GitHub
 * refuses over a clock. Ours repeats one only if the refusal has told us GitHub's time.
 */
function signEachRequest(wire: Wire, options: StrategyOptions) {
  const auth = createAppAuth(options);
  const hook = async <Sent extends Unsigned, Answer>(request: (sent: Sent) => Promise<Answer>, sent: Sent) => {
    const signedSend = async () => {
      const { token } = await auth({ type: 'app' });
      sent.headers.authorization = `bearer ${token}`;
      return request(sent);
    };
    const offset = wire.traffic.clockOffsetMs();
    try {
      return await signedSend();
    } catch (error) {
      const isSkewed =
        toProviderError(error, { as: 'app', method: '', secrets: [], now: wire.now }).code === 'clock_skew';
      if (!isSkewed || wire.traffic.clockOffsetMs() === offset) throw error;
      return signedSend();
    }
  };
  return Object.assign(auth, { hook });
}
