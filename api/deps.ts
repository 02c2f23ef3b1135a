import type { Registry } from 'prom-client';
import type { GitHubBroker } from '../broker/github.ts';
import type { Database } from '../db/connection.ts';
import type { Logger } from '../log.ts';
import type { Intake } from './intake.ts';
import type { OperationLinks } from './operation-view.ts';

/** What the routes are built from. */
export type ApiDeps = {
  database: Database;
  broker: Pick<GitHubBroker, 'branches' | 'branchHead' | 'inspectWorkflowFile'>;
  intake: Intake;
  logger: Logger;
  registry: Registry;
  links: OperationLinks;
  adminToken?: string | undefined;
  corsOrigins: string[];
  trustProxy: boolean;
};
