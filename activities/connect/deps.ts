import type { GitHubConnector } from '../../broker/connect/github-connect.ts';
import type { Database } from '../../db/store/connection.ts';
import type { Keyring } from '../../db/store/sealing.ts';

export type ConnectDeps = {
  database: Database;
  keyring: Keyring;
  connector: Pick<
    GitHubConnector,
    'convertManifest' | 'identify' | 'installation' | 'installationRequests' | 'findInstallation'
  >;
};
