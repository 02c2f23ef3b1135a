import type { GitHubHost } from '../../domain/github/github-host.ts';
import { ProviderError } from '../egress/guarded-fetch.ts';
import { hostNow, type Request, send, tokenRequest, type Wire } from './client.ts';
import type { Call } from './failures.ts';
import { checksOf } from './repository/checks.ts';
import { reportsOf } from './repository/reports.ts';
import { repositoriesOf } from './repository/repositories.ts';
import { runsOf } from './repository/runs.ts';

type Sending<Data> = Parameters<typeof send<Data, unknown>>[1];
type Converting<Data, Result> = Parameters<typeof send<Data, Result>>[2];

/** What every request under one token shares. */
export type Conversation = {
  host: GitHubHost;
  request: Request;
  read<Data, Result>(request: Sending<Data>, convert: Converting<Data, Result>): Promise<Result>;
  /** A POST. `conflict` gives the result where a 409 is an answer and not a failure. */
  write<Data, Result>(
    request: Sending<Data>,
    convert: Converting<Data, Result>,
    options?: { dispatch?: boolean; conflict?: () => Result },
  ): Promise<Result>;
};

/** What an installation token may ask. The token stays inside and in no error. */
export function withToken(wire: Wire, token: string, installationId?: number) {
  const account = installationId === undefined ? undefined : `installation:${installationId}`;
  const request = tokenRequest(wire, token, account);
  const call = (method: string): Call => ({ as: 'token', method, secrets: [token], now: () => hostNow(wire) });

  const conversation: Conversation = {
    host: wire.host,
    request,
    read: (request, convert) => send(call('GET'), request, convert),
    async write(request, convert, { dispatch = false, conflict } = {}) {
      try {
        return await send({ ...call('POST'), dispatch }, request, convert);
      } catch (error) {
        if (conflict && error instanceof ProviderError && error.code === 'conflict') return conflict();
        throw error;
      }
    },
  };

  return {
    ...repositoriesOf(conversation),
    ...runsOf(conversation),
    ...reportsOf(conversation),
    ...checksOf(conversation),

    /** Ends this very token. One that GitHub does not know any more is as good as ended. */
    async revokeToken(): Promise<void> {
      try {
        await send(
          call('DELETE'),
          () => request('DELETE /installation/token'),
          () => undefined,
        );
      } catch (error) {
        if (!(error instanceof ProviderError && error.status !== undefined && [401, 404].includes(error.status)))
          throw error;
      }
    },
  };
}
