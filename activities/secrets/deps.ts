import type { GitHubConnector } from '../../broker/connect/github-connect.ts';
import type { Database } from '../../db/store/connection.ts';
import type { Keyring } from '../../db/store/sealing.ts';

export type RotationDeps = {
  database: Database;
  keyring: Keyring;
  connector: Pick<GitHubConnector, 'isAccepted' | 'tellWebhookSecret'>;
};

export type RotationInput = { rotationId: string };
