import type { IncomingMessage } from 'node:http';
import type { Registry } from 'prom-client';
import type { CloudAccounts } from '../../broker/clouds/cloud-accounts.ts';
import type { GoogleConsents } from '../../broker/clouds/google-consent.ts';
import type { OidcIssuer } from '../../broker/clouds/oidc-issuer.ts';
import type { GitTokens } from '../../broker/exchange/git-tokens.ts';
import type { ImageCredentials } from '../../broker/exchange/image-credentials.ts';
import type { GitHubBroker } from '../../broker/github/github.ts';
import type { Database } from '../../db/store/connection.ts';
import type { Keyring } from '../../db/store/sealing.ts';
import type { AllowedHost } from '../../domain/connect/allowed-hosts.ts';
import type { Logger } from '../../log.ts';
import type { OperationLinks } from './operation-view.ts';
import type { RateLimiter } from './rate-limit.ts';

/** The settings of flows that connect a GitHub account. */
export type ConnectSettings = {
  /** The GitHub host for requests that name none. */
  defaultHost: { hostUrl: string; apiUrl: string };
  allowedHosts: AllowedHost[];
  /** Other origins to which a browser may be redirected at the end. Fairlead's own origin is always allowed. */
  redirectOrigins: string[];
  /** Returns the address to which GitHub sends this App's webhooks. */
  webhookUrlFor(githubAppId: string): string;
  /** How long a browser waits for Fairlead before it gets a page that reloads automatically. */
  patienceMs?: number;
};

/** An App as GitHub describes it to the owner of its key. */
export type FoundApp = {
  id: number;
  slug: string | undefined;
  name: string;
  clientId: string | undefined;
  permissions: Record<string, string>;
  events: string[];
  hook: { url: string | undefined; contentType: string | undefined };
};

/** The live checks while a person waits: what a host is, and whether an App's number and key fit. */
export type ImportCheck = {
  serverVersion(host: { hostUrl: string; apiUrl: string; orgId: string }): Promise<string | undefined>;
  checkImport(app: {
    hostUrl: string;
    apiUrl: string;
    appId: number;
    privateKey: string;
    orgId: string;
  }): Promise<FoundApp>;
};

/** The dependencies of the routes. */
export type ApiDeps = {
  database: Database;
  keyring: Keyring;
  broker: Pick<GitHubBroker, 'branches' | 'branchHead' | 'liesOn' | 'inspectWorkflowFile'>;
  gitTokens: GitTokens;
  imageCredentials: ImageCredentials;
  issuer: Pick<OidcIssuer, 'keys'>;
  googleConsents: Pick<GoogleConsents, 'isOffered' | 'consentUrl' | 'redeemCode' | 'revoke'>;
  cloudAccounts: Pick<CloudAccounts, 'awsIdentity' | 'principal'>;
  connector: ImportCheck;
  connect: ConnectSettings;
  intake: Intake;
  logger: Logger;
  registry: Registry;
  links: OperationLinks;
  adminToken?: string | undefined;
  corsOrigins: string[];
  trustProxy: boolean;
  limiter: RateLimiter;
};

/** The response to a webhook. */
export type IntakeAnswer = { status: number; headers: Record<string, string>; body: string };

export type Intake = {
  /** Verifies and stores one webhook. Returns after the commit. Stores nothing of a refused webhook. */
  receive(request: IncomingMessage, from: { ip: string; githubAppId?: string | undefined }): Promise<IntakeAnswer>;
  /** Waits for the webhooks that are being stored. */
  drain(): Promise<void>;
};
