import type { GitHubConnector } from '../../broker/github-connect.ts';
import type { Database } from '../../db/connection.ts';
import type { Keyring } from '../../db/sealing.ts';

export type ConnectDeps = {
  database: Database;
  keyring: Keyring;
  connector: Pick<
    GitHubConnector,
    'convertManifest' | 'identify' | 'installation' | 'installationRequests' | 'findInstallation'
  >;
};
