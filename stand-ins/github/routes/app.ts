import { grants, mintToken, requireApp, type TokenFormat } from '../access/tokens.ts';
import { type Call, isVersionOf2026, ok, page, Refused, type Route } from '../answers.ts';
import type { Installation, Permissions, Repository } from '../state.ts';
import { appView, installationRequestView, installationView, repositoryView, timestamp } from '../views/views.ts';

/** The App's own routes, and the tokens of its installations. */
export function appRoutes(
  tokenFormat: TokenFormat,
  lifecycle: (installation: Installation, action: string) => void,
): Route[] {
  return [
    { method: 'GET', path: '/app', handle: (call) => ok(appView(call.state, requireApp(call))) },
    {
      method: 'GET',
      path: '/app/installations',
      handle(call) {
        const { appId } = requireApp(call);
        const mine = [...call.state.installations.values()].filter((one) => one.appId === appId);
        return page(call, mine, (some) => some.map((one) => installationView(call.state, one)));
      },
    },
    {
      method: 'GET',
      path: '/app/installation-requests',
      handle(call) {
        const { appId } = requireApp(call);
        const pending = [...call.state.installationRequests.values()].filter((one) => one.appId === appId);
        return page(call, pending, (some) => some.map((one) => installationRequestView(call.state, one)));
      },
    },
    {
      method: 'GET',
      path: '/app/installations/{installation_id}',
      handle: (call) => ok(installationView(call.state, requireOwn(call))),
    },
    {
      method: 'DELETE',
      path: '/app/installations/{installation_id}',
      handle(call) {
        const installation = requireOwn(call);
        call.state.installations.delete(installation.id);
        lifecycle(installation, 'deleted');
        // Uninstalling is asynchronous since the version of 2026-03-10.
        return { status: isVersionOf2026(call) ? 202 : 204 };
      },
    },
    {
      method: 'PUT',
      path: '/app/installations/{installation_id}/suspended',
      handle(call) {
        const installation = requireOwn(call);
        installation.suspendedAt = call.state.now();
        lifecycle(installation, 'suspend');
        return { status: 204 };
      },
    },
    {
      method: 'DELETE',
      path: '/app/installations/{installation_id}/suspended',
      handle(call) {
        const installation = requireOwn(call);
        installation.suspendedAt = undefined;
        lifecycle(installation, 'unsuspend');
        return { status: 204 };
      },
    },
    {
      method: 'POST',
      path: '/app/installations/{installation_id}/access_tokens',
      handle(call) {
        const app = requireApp(call);
        const installation = requireOwn(call);
        if (installation.suspendedAt) throw new Refused(403, 'This installation has been suspended');
        const permissions = narrowedPermissions(call, installation);
        const repositories = narrowedRepositories(call, installation);
        const token = mintToken(call.state, formatFor(call, tokenFormat), app, installation, {
          ...(permissions && { permissions }),
          ...(repositories && { repositoryIds: repositories.map(({ id }) => id) }),
        });
        return {
          status: 201,
          body: {
            token: token.token,
            expires_at: timestamp(token.expiresAt),
            permissions: token.permissions,
            repository_selection: repositories ? 'selected' : installation.repositorySelection,
            ...(repositories && { repositories: repositories.map((one) => repositoryView(call.state, one)) }),
          },
        };
      },
    },
  ];
}

/** A caller can request the new token format before GitHub switches to it, or the old one for some time. */
function formatFor({ headers }: Call, usual: TokenFormat): TokenFormat {
  const asked = headers['x-github-stateless-s2s-token'];
  if (asked === 'enabled') return 'stateless';
  return asked === 'disabled' ? 'classic' : usual;
}

function requireOwn(call: Call): Installation {
  const { appId } = requireApp(call);
  const installation = call.state.installations.get(Number(call.params['installation_id']));
  if (!installation || installation.appId !== appId) throw new Refused(404, 'Not Found');
  return installation;
}

function narrowedPermissions({ body }: Call, installation: Installation): Permissions | undefined {
  const asked = body['permissions'] as Permissions | undefined;
  if (!asked) return undefined;
  const tooMuch = Object.entries(asked).some(([name, level]) => !grants(installation.permissions, name, level));
  if (tooMuch) throw new Refused(422, 'The permissions requested are not granted to this installation.');
  return asked;
}

function narrowedRepositories({ state, body }: Call, installation: Installation): Repository[] | undefined {
  const ids = body['repository_ids'] as number[] | undefined;
  const names = body['repositories'] as string[] | undefined;
  if (!ids && !names) return undefined;
  const own = [...installation.repositoryIds].flatMap((id) => state.repositories.get(id) ?? []);
  const chosen = own.filter(({ id, name }) => ids?.includes(id) || names?.includes(name));
  if (chosen.length < new Set([...(ids ?? []), ...(names ?? [])]).size) {
    throw new Refused(
      422,
      'There is at least one repository that does not exist or is not accessible to the parent installation.',
    );
  }
  return chosen;
}
