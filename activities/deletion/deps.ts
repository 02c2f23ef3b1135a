import type { GitHubBroker } from '../../broker/github.ts';
import type { Database } from '../../db/connection.ts';

export type DeletionDeps = { database: Database; broker: Pick<GitHubBroker, 'asApp'> };

export type OfInstallation = { integrationId: string; installationId: string };
