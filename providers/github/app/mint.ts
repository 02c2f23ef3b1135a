import { idIn, type Request, send, timeIn, type Wire } from '../client.ts';
import type { Call } from '../failures.ts';

export type MintRequest = {
  installationId: number;
  /** At most 500. Without them the token reaches every repository of the installation. */
  repositoryIds?: number[];
  permissions?: Record<string, string>;
};

export type InstallationToken = {
  /** Opaque: 40 characters, or several hundred in the format of 2026. */
  token: string;
  /** By our clock, even if the host's clock differs, because callers compare it with our time. */
  expiresAt: number;
  /** The granted permissions, which might be fewer than requested. */
  permissions: Record<string, string>;
  repositorySelection: 'all' | 'selected';
  /** The repositories to which GitHub narrowed the token, if the request named some. */
  repositoryIds: number[] | undefined;
};

/**
 * Mints one installation token with one POST. The library's own function is not safe here. It shares requests in flight
 * between all Apps of the process, by a key without the host or the App. So one host's token could reach another host's
 * caller.
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
