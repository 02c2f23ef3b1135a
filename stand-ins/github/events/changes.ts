import type { Account, Installation, Permissions, Repository, State } from '../state.ts';
import * as payloads from './payloads.ts';
import type { Payload } from './webhooks.ts';

/** Other changes that people make in a browser. Each one returns the payload of its webhook. */
export function changesOf(state: State) {
  function nameAnew(repository: Repository, fullName: string): void {
    state.renamed.set(repository.fullName.toLowerCase(), repository.id);
    const [owner = '', name = ''] = fullName.split('/');
    Object.assign(repository, { owner, name, fullName });
    state.renamed.delete(fullName.toLowerCase());
  }

  return {
    /** Transfers a repository to another account. `to` is the App's installation there, if there is one. */
    transferRepository(repository: Repository, account: Account, to?: Installation): Payload {
      for (const one of state.installations.values()) one.repositoryIds.delete(repository.id);
      repository.ownerAccount = account;
      state.accounts.set(account.id, account);
      nameAnew(repository, `${account.login}/${repository.name}`);
      to?.repositoryIds.add(repository.id);
      repository.installationId = to?.id ?? 0;
      return payloads.repositoryPayload(state, repository, 'transferred', to?.appId);
    },

    /** Returns the event about repositories that left the installation. */
    repositoriesRemoved: (installation: Installation, removed: Repository[]): Payload =>
      payloads.installationRepositoriesPayload(state, installation, { removed }),

    deleteRepository(repository: Repository): Payload {
      const payload = payloads.repositoryPayload(state, repository, 'deleted');
      state.repositories.delete(repository.id);
      for (const one of state.installations.values()) one.repositoryIds.delete(repository.id);
      return payload;
    },

    changeRepository(repository: Repository, change: 'archived' | 'unarchived' | 'privatized' | 'publicized'): Payload {
      if (change === 'archived' || change === 'unarchived') repository.archived = change === 'archived';
      else repository.private = change === 'privatized';
      return payloads.repositoryPayload(state, repository, change);
    },

    /** Renames the account and its repositories. */
    renameAccount(installation: Installation, login: string): Payload {
      const { account } = installation;
      const from = account.login;
      account.login = login;
      for (const one of state.repositories.values()) {
        if (one.ownerAccount.id === account.id) nameAnew(one, `${login}/${one.name}`);
      }
      return payloads.installationTargetPayload(state, installation, from);
    },

    acceptPermissions(installation: Installation, permissions: Permissions): Payload {
      installation.permissions = { metadata: 'read', ...permissions };
      return payloads.installationPayload(state, installation, 'new_permissions_accepted');
    },

    revokeAuthorization: (user: Account): Payload => payloads.authorizationRevokedPayload(state, user),
  };
}
