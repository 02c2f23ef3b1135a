import * as payloads from './events/payloads.ts';
import type { Payload } from './events/webhooks.ts';
import { insertInstallation } from './seeds.ts';
import type { Account, App, Installation, InstallationRequest, Repository, State } from './state.ts';

/** All repositories of the account, or the given ones. */
export type Selection = 'all' | number[];

/** The event that the App receives about an action. */
export type Announcement = { app: App; event: string; payload: Payload };

export type Installed = { installation: Installation; announcement: Announcement };

/** Installs an App on an account as the signed-in person. `requester` asked for it before. */
export function install(
  state: State,
  { app, account, selection, requester }: { app: App; account: Account; selection: Selection; requester?: Account },
): Installed {
  const chosen = chosenOf(state, account, selection);
  const installation = insertInstallation(state, app, {
    account,
    repositorySelection: selection === 'all' ? 'all' : 'selected',
  });
  for (const repository of chosen) {
    installation.repositoryIds.add(repository.id);
    if (!state.installations.has(repository.installationId)) repository.installationId = installation.id;
  }
  const payload = payloads.installationPayload(state, installation, 'created', requester);
  return { installation, announcement: { app, event: 'installation', payload } };
}

/** Changes the choice of repositories. Added and removed ones have separate events. */
export function reselect(state: State, app: App, installation: Installation, selection: Selection): Announcement[] {
  const chosen = chosenOf(state, installation.account, selection);
  const now = new Set(chosen.map(({ id }) => id));
  const before = installation.repositoryIds;
  const added = chosen.filter(({ id }) => !before.has(id));
  const removed = [...before].filter((id) => !now.has(id)).flatMap((id) => state.repositories.get(id) ?? []);
  installation.repositorySelection = selection === 'all' ? 'all' : 'selected';
  installation.repositoryIds = now;
  const announce = (change: { added?: Repository[]; removed?: Repository[] }): Announcement => ({
    app,
    event: 'installation_repositories',
    payload: payloads.installationRepositoriesPayload(state, installation, change),
  });
  return [...(added.length > 0 ? [announce({ added })] : []), ...(removed.length > 0 ? [announce({ removed })] : [])];
}

/** Stores one request per App, account and requester. */
export function requestInstallation(state: State, app: App, account: Account, requester: Account): InstallationRequest {
  const before = [...state.installationRequests.values()].find(
    (one) => one.appId === app.appId && one.account.id === account.id && one.requester.id === requester.id,
  );
  const request = before ?? { id: state.nextId(), appId: app.appId, account, requester, createdAt: state.now() };
  state.installationRequests.set(request.id, request);
  return request;
}

/** Installs what was requested. This also resolves other requests for the same. */
export function approve(state: State, request: InstallationRequest, selection: Selection): Installed {
  const app = state.apps.get(request.appId);
  if (!app) throw new Error(`The App of request ${request.id} is gone`);
  for (const one of [...state.installationRequests.values()]) {
    if (one.appId === request.appId && one.account.id === request.account.id) state.installationRequests.delete(one.id);
  }
  return install(state, { app, account: request.account, selection, requester: request.requester });
}

export function repositoriesOf({ repositories }: State, account: Account): Repository[] {
  return [...repositories.values()].filter(({ ownerAccount }) => ownerAccount.id === account.id);
}

function chosenOf(state: State, account: Account, selection: Selection): Repository[] {
  return repositoriesOf(state, account).filter(({ id }) => selection === 'all' || selection.includes(id));
}
