import { allCloudAccounts } from '../../../db/clouds/cloud-accounts.ts';
import { githubAppsIn, type NewGithubApp } from '../../../db/github/github-apps.ts';
import type { Database, Transaction } from '../../../db/store/connection.ts';
import type { AppRow, InstallationRow, IntegrationRow, PipelineRow, RepositoryRow } from '../../../db/store/tables.ts';
import { newId } from '../../../domain/ids.ts';

/** Inserts rows directly, for tests that are not about how they come to exist. */
export function seed(database: Database) {
  const now = Date.now();
  const times = { created_at: now, updated_at: now };
  const write = <Result>(work: (trx: Transaction) => Promise<Result>) => database.write(work);

  return {
    async org(name = 'acme'): Promise<{ orgId: string; projectId: string }> {
      const [orgId, projectId] = [newId('org'), newId('prj')];
      await write(async (trx) => {
        await trx('orgs').insert({ id: orgId, name, revision: 1, ...times });
        await trx('projects').insert({ id: projectId, org_id: orgId, name, revision: 1, deleted_at: null, ...times });
      });
      return { orgId, projectId };
    },

    /** An App without secrets. The operator's, unless `orgId` is given. */
    async githubApp(appId: number, changes: Partial<NewGithubApp> = {}): Promise<string> {
      const at = { hostUrl: 'https://github.com', apiUrl: 'https://api.github.com' };
      const app = { ...at, orgId: null, appId, slug: 'fairlead', name: 'Fairlead', clientId: null, ...changes };
      return (await write((trx) => githubAppsIn(trx).upsert(app))).id;
    },

    async installation(
      githubAppId: string,
      externalId: number,
      changes: Partial<InstallationRow> = {},
    ): Promise<string> {
      const id = newId('ins');
      const row: InstallationRow = {
        id,
        org_id: null,
        github_app_id: githubAppId,
        external_id: externalId,
        account_login: 'octo',
        account_id: externalId + 1_000_000,
        target_type: 'Organization',
        repository_selection: 'all',
        permissions: '{}',
        events: '[]',
        suspended_at: null,
        removed_at: null,
        unconfirmed_at: null,
        seen_pass: 0,
        sync_error: null,
        missing_permissions: null,
        ...times,
        ...changes,
      };
      await write((trx) => trx('installations').insert(row));
      return id;
    },

    async repository(
      { githubAppId, installationId, externalId }: { githubAppId: string; installationId: string; externalId: number },
      changes: Partial<RepositoryRow> = {},
    ): Promise<string> {
      const id = newId('repo');
      const row: RepositoryRow = {
        id,
        github_app_id: githubAppId,
        installation_id: installationId,
        external_id: externalId,
        owner: 'octo',
        name: `r${externalId}`,
        full_name: `octo/r${externalId}`,
        url: `https://github.com/octo/r${externalId}`,
        visibility: 'private',
        default_branch: 'main',
        archived: false,
        removed_at: null,
        unconfirmed_at: null,
        seen_pass: 0,
        seen_page: null,
        ...times,
        ...changes,
      };
      await write((trx) => trx('repositories').insert(row));
      return id;
    },

    /** An integration of the project on this installation, which then belongs to the organization. */
    async integration(
      {
        orgId,
        projectId,
        githubAppId,
        installationId,
      }: Record<'orgId' | 'projectId' | 'githubAppId' | 'installationId', string>,
      changes: Partial<IntegrationRow> = {},
    ): Promise<string> {
      const id = newId('int');
      const row: IntegrationRow = {
        id,
        org_id: orgId,
        project_id: projectId,
        owner_id: projectId,
        kind: 'github',
        host_url: 'https://github.com',
        auth_mode: 'github_app',
        status: 'active',
        status_reason: null,
        display_name: 'octo',
        metadata: '{}',
        identity_key: id,
        github_app_id: githubAppId,
        cloud_account_id: null,
        settings: '{}',
        checked_at: null,
        last_success_at: null,
        next_check_at: null,
        strikes: 0,
        refusals: 0,
        expires_at: null,
        created_by: 'system',
        revision: 1,
        epoch: 0,
        revocation: null,
        revocation_outcome: null,
        deleted_at: null,
        ...times,
        ...changes,
      };
      await write(async (trx) => {
        await trx('integrations').insert(row);
        await trx('installations').where({ id: installationId }).update({ org_id: orgId });
        await trx('bindings').insert({
          integration_id: id,
          installation_id: installationId,
          owner_id: projectId,
          created_at: now,
        });
      });
      return id;
    },

    /** A role that has not been verified. */
    async cloudAccount(where: { orgId: string; projectId: string | null }): Promise<string> {
      const role = { role_arn: 'arn:aws:iam::123456789012:role/fairlead', account_id: '123456789012' };
      const given = { kind: 'aws' as const, authMode: 'assume_role', displayName: 'AWS', createdBy: 'system' };
      const config = { ...role, external_id: 'an external id of our making' };
      const account = await write((trx) => allCloudAccounts(trx).insert({ ...where, ...given, config }));
      return account.id;
    },

    /** A registry with a user name and a password, or with the access of a cloud account. */
    async registry(
      { orgId, projectId }: Record<'orgId' | 'projectId', string>,
      changes: Partial<IntegrationRow> = {},
    ): Promise<string> {
      const id = newId('int');
      const settings = { registry: 'registry.example.com', username: 'robot', repositories: [] };
      const row: IntegrationRow = {
        id,
        org_id: orgId,
        project_id: projectId,
        owner_id: projectId,
        kind: 'oci',
        host_url: 'https://registry.example.com',
        auth_mode: 'basic',
        status: 'active',
        status_reason: null,
        display_name: 'images',
        metadata: '{}',
        identity_key: id,
        github_app_id: null,
        cloud_account_id: null,
        settings: JSON.stringify(settings),
        checked_at: null,
        last_success_at: null,
        next_check_at: null,
        strikes: 0,
        refusals: 0,
        expires_at: null,
        created_by: 'system',
        revision: 1,
        epoch: 0,
        revocation: null,
        revocation_outcome: null,
        deleted_at: null,
        ...times,
        ...changes,
      };
      await write((trx) => trx('integrations').insert(row));
      return id;
    },

    async app(
      {
        orgId,
        projectId,
        integrationId,
        repositoryId,
      }: Record<'orgId' | 'projectId' | 'integrationId' | 'repositoryId', string>,
      changes: Partial<AppRow> = {},
    ): Promise<string> {
      const id = newId('app');
      const row: AppRow = {
        id,
        org_id: orgId,
        project_id: projectId,
        name: id,
        source_integration_id: integrationId,
        source_repository_id: repositoryId,
        source_branch: 'main',
        auto_deploy: true,
        registry_integration_id: null,
        image_repository: null,
        revision: 1,
        deleted_at: null,
        ...times,
        ...changes,
      };
      await write((trx) => trx('apps').insert(row));
      return id;
    },

    async pipeline(
      { orgId, projectId, appId }: Record<'orgId' | 'projectId' | 'appId', string>,
      changes: Partial<PipelineRow> = {},
    ): Promise<string> {
      const id = newId('pip');
      const row: PipelineRow = {
        id,
        org_id: orgId,
        project_id: projectId,
        app_id: appId,
        name: 'deploy',
        enabled: true,
        events: JSON.stringify(['push', 'tag', 'pull_request', 'manual']),
        branches: JSON.stringify(['**']),
        tags: JSON.stringify(['**']),
        executor: 'github_actions',
        workflow_file: 'deploy.yml',
        inputs: '{}',
        environment: null,
        environment_url: null,
        timeout_minutes: 60,
        revision: 1,
        deleted_at: null,
        ...times,
        ...changes,
      };
      await write((trx) => trx('pipelines').insert(row));
      return id;
    },
  };
}

export type Seed = ReturnType<typeof seed>;
