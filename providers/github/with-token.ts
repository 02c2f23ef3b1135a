import { ProviderError } from '../failure.ts';
import { hostNow, send, tokenRequest, type Wire } from './client.ts';
import type { Conversation } from './conversation.ts';
import type { Call } from './failures.ts';
import { checksOf } from './repository/checks.ts';
import { reportsOf } from './repository/reports.ts';
import { repositoriesOf } from './repository/repositories.ts';
import { runsOf } from './repository/runs.ts';

/** The calls that an installation token allows. The token stays inside and appears in no error. */
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

    /** Revokes this token. A token that GitHub no longer knows counts as revoked. */
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
