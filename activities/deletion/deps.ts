import type { GitHubBroker } from '../../broker/github/github.ts';
import type { Database } from '../../db/store/connection.ts';

export type DeletionDeps = { database: Database; broker: Pick<GitHubBroker, 'asApp'> };

export type OfInstallation = { integrationId: string; installationId: string };
