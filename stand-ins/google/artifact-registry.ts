import type { CloudAnswer, CloudRequest } from '../cloud-server.ts';
import type { RegistryUser } from '../registry/access.ts';
import type { State } from './state.ts';
import { identityOf, refused } from './tokens.ts';

/** Returns which of the permissions the caller has. An empty response means none. */
export function testPermissions(state: State, request: CloudRequest, now: number): CloudAnswer {
  const holder = identityOf(state, request, now);
  if (!holder) return refused(401, 'UNAUTHENTICATED');
  const path = /^\/v1\/projects\/([^/]+)\/locations\/([^/]+)\/repositories\/([^/]+):testIamPermissions$/;
  const [, project = '', location, name] = path.exec(request.path) ?? [];
  if (state.projectsWithoutApi.has(decodeURIComponent(project))) {
    return refused(403, 'PERMISSION_DENIED', 'SERVICE_DISABLED');
  }
  const repository = state.grants.get(`${decodeURIComponent(project)}/${location}/${name}`);
  if (!repository) return refused(403, 'PERMISSION_DENIED', 'IAM_PERMISSION_DENIED');

  const asked = Array.isArray(request.json['permissions']) ? request.json['permissions'] : [];
  const held = asked.filter((permission: string) => repository.get(holder.identity)?.includes(permission));
  return { status: 200, body: held.length === 0 ? {} : { permissions: held } };
}

/** Google's registries accept tokens that this stand-in issued, and allow what the identity and the scopes allow. */
export function userOfArtifactRegistry(state: State, now: () => number) {
  return (username: string, password: string): RegistryUser | undefined => {
    const held = state.tokens.get(password);
    if (username !== 'oauth2accesstoken' || !held || held.expiresAt <= now()) return undefined;
    const writes = held.scopes.includes('https://www.googleapis.com/auth/cloud-platform');
    const access = [...state.grants].flatMap(([place, identities]) => {
      const granted = identities.get(held.identity);
      const [project, , name] = place.split('/');
      const actions = (['pull', 'push'] as const).filter(
        (action) => granted?.includes(permissions[action]) && (action === 'pull' || writes),
      );
      return actions.length === 0 ? [] : [{ repository: `${project}/${name}/*`, actions }];
    });
    return { password, access };
  };
}

const permissions = {
  pull: 'artifactregistry.repositories.downloadArtifacts',
  push: 'artifactregistry.repositories.uploadArtifacts',
} as const;
