import { idIn, type Request, send, timeIn, type Wire } from '../client.ts';
import type { Call } from '../failures.ts';

export type MintRequest = {
  installationId: number;
  /** At most 500; without it the token reaches every repository of the installation. */
  repositoryIds?: number[];
  permissions?: Record<string, string>;
};

export type InstallationToken = {
  /** Opaque: 40 characters, or several hundred in the format of 2026. */
  token: string;
  /** By our clock, whatever the host's says: whoever keeps it compares it with our time. */
  expiresAt: number;
  /** What was granted, which may be less than was asked for. */
  permissions: Record<string, string>;
  repositorySelection: 'all' | 'selected';
  /** The repositories that GitHub narrowed it to, where the request named some. */
  repositoryIds: number[] | undefined;
};

/**
 * One POST for one installation token. Not the library's own way to a token: that shares a map of requests in flight
 * between all Apps of the process, whose key has neither the host nor the App in it, so that one host's token can be
 * handed to another's caller.
 */
export function mintToken(wire: Wire, request: Request, call: Call, wanted: MintRequest): Promise<InstallationToken> {
  const { installationId, repositoryIds, permissions } = wanted;
  return send(
    call,
    () =>
      request('POST /app/installations/{installation_id}/access_tokens', {
        installation_id: installationId,
        ...(repositoryIds ? { repository_ids: repositoryIds } : {}),
        ...(permissions ? { permissions } : {}),
      }),
    (data) => {
      if (typeof data.token !== 'string' || data.token === '') throw new TypeError('no token');
      return {
        token: data.token,
        expiresAt: timeIn(data.expires_at) - wire.traffic.clockOffsetMs(),
        permissions: { ...data.permissions },
        repositorySelection: data.repository_selection ?? 'all',
        repositoryIds: data.repositories?.map(idIn),
      };
    },
  );
}
