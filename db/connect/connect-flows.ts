import { type FlowKind, type FlowStatus, flowMoves, isFinalFlowStatus } from '../../domain/connect/flow-status.ts';
import { newId } from '../../domain/ids.ts';
import { sourcesOf } from '../../domain/moves.ts';
import type { Db } from '../store/connection.ts';
import { locked } from '../store/locks.ts';
import { type Page, type PageRequest, pageOf } from '../store/page.ts';
import type { ConnectFlowRow } from '../store/tables.ts';
import { everything, type TenantScope, within } from '../store/tenant.ts';

/** An account at GitHub, by its number and its name. */
export type AccountChoice = { id: number; login: string };

/** A browser flow that connects a GitHub account. It holds no secret in plain text. */
export type ConnectFlow = {
  id: string;
  orgId: string;
  /** Null if the integration will belong to the organization. */
  projectId: string | null;
  kind: FlowKind;
  /** The caller who started it: `user:…`, `token:…` or `operator`. */
  createdBy: string;
  hostUrl: string;
  apiUrl: string;
  githubAppId: string;
  integrationId: string | null;
  displayName: string | null;
  appName: string;
  appPublic: boolean;
  /** Whether the flow connects only accounts that its integration already has. */
  reauthorizes: boolean;
  /** The account that the start named. A person who administers another account can still choose that at GitHub. */
  accountLogin: string | null;
  /** GitHub's ID of the requested account, if it is known. GitHub then shows that account at once. */
  accountId: number | null;
  redirectUrl: string | null;
  status: FlowStatus;
  reason: string | null;
  detail: string | null;
  browserHash: string | null;
  sealedManifestCode: string | null;
  sealedSignInCode: string | null;
  conversionSentAt: number | null;
  claimedInstallation: number | null;
  setupAction: string | null;
  githubUserId: number | null;
  githubLogin: string | null;
  ownerProof: 'account' | 'membership' | null;
  /** GitHub's ID of the account that the proof is about. */
  ownerProofAccount: number | null;
  /** GitHub's ID of the account whose owner this person has asked for approval. No other approval counts. */
  requestedAccount: number | null;
  /** The name of that account, as GitHub returned it last. */
  requestedLogin: string | null;
  /** When the browser came back from GitHub after the person had made the request. */
  requestedAt: number | null;
  /** The accounts that the person can have asked for, if GitHub's data allows several. The person chooses one. */
  accountChoices: AccountChoice[] | null;
  approvedInstallation: number | null;
  confirmedAt: number | null;
  /** How many apps use the integration again. Null until the flow is completed. */
  rebound: number | null;
  expiresAt: number;
  finishedAt: number | null;
  createdAt: number;
  updatedAt: number;
};

export type NewConnectFlow = Pick<
  ConnectFlow,
  | 'orgId'
  | 'projectId'
  | 'kind'
  | 'createdBy'
  | 'hostUrl'
  | 'apiUrl'
  | 'githubAppId'
  | 'integrationId'
  | 'displayName'
  | 'appName'
  | 'appPublic'
  | 'accountLogin'
  | 'accountId'
  | 'redirectUrl'
  | 'claimedInstallation'
  | 'expiresAt'
> &
  Partial<Pick<ConnectFlow, 'reauthorizes'>>;

/** What can be stored while the flow is open. */
export type FlowNote = Partial<
  Pick<
    ConnectFlow,
    | 'integrationId'
    | 'accountId'
    | 'detail'
    | 'sealedManifestCode'
    | 'sealedSignInCode'
    | 'conversionSentAt'
    | 'claimedInstallation'
    | 'setupAction'
    | 'githubUserId'
    | 'githubLogin'
    | 'ownerProof'
    | 'ownerProofAccount'
    | 'requestedAccount'
    | 'requestedLogin'
    | 'requestedAt'
    | 'accountChoices'
    | 'approvedInstallation'
    | 'confirmedAt'
    | 'rebound'
    | 'expiresAt'
  >
>;

export function connectFlowsFor(db: Db, scope: TenantScope) {
  const visible = () => within(scope, db('connect_flows'));
  return {
    async insert(flow: NewConnectFlow): Promise<ConnectFlow> {
      const now = Date.now();
      const id = newId('flow');
      await db('connect_flows').insert({
        id,
        org_id: flow.orgId,
        project_id: flow.projectId,
        kind: flow.kind,
        created_by: flow.createdBy,
        host_url: flow.hostUrl,
        api_url: flow.apiUrl,
        github_app_id: flow.githubAppId,
        integration_id: flow.integrationId,
        display_name: flow.displayName,
        app_name: flow.appName,
        app_public: flow.appPublic,
        reauthorizes: flow.reauthorizes ?? false,
        account_login: flow.accountLogin,
        account_id: flow.accountId,
        redirect_url: flow.redirectUrl,
        status: 'created',
        claimed_installation: flow.claimedInstallation,
        expires_at: flow.expiresAt,
        created_at: now,
        updated_at: now,
      });
      return toConnectFlow((await db('connect_flows').where({ id }).first()) as ConnectFlowRow);
    },

    async find(id: string): Promise<ConnectFlow | undefined> {
      const row = await visible().where({ id }).first();
      return row && toConnectFlow(row);
    },

    /** Finds an open flow and locks it, so that it stays open until the commit. */
    async takeOpen(id: string): Promise<ConnectFlow | undefined> {
      const open = visible().where({ id }).whereNull('finished_at');
      const row: ConnectFlowRow | undefined = await locked(open.first());
      return row && toConnectFlow(row);
    },

    /** Finds the flow that created this App. */
    async findManifest(githubAppId: string): Promise<ConnectFlow | undefined> {
      const row = await visible().where({ github_app_id: githubAppId, kind: 'manifest' }).first();
      return row && toConnectFlow(row);
    },

    async list(page: PageRequest): Promise<Page<ConnectFlow>> {
      return pageOf<ConnectFlowRow, ConnectFlow>(visible(), page, toConnectFlow);
    },

    /**
     * Returns open flows that a new installation might concern. They either name the installation, or wait for an
     * approval that one of these people has requested. It returns at most a hundred, the latest first; the others
     * notice the installation at their next check.
     */
    async listConcerned(
      githubAppId: string,
      { externalId, githubUserIds }: { externalId: number; githubUserIds: number[] },
    ): Promise<ConnectFlow[]> {
      const rows: ConnectFlowRow[] = await visible()
        .where({ github_app_id: githubAppId })
        .whereNull('finished_at')
        .where((one) =>
          one
            .where({ claimed_installation: externalId })
            .orWhere((asking) =>
              asking.where({ status: 'awaiting_approval' }).whereIn('github_user_id', githubUserIds),
            ),
        )
        .orderBy('id', 'desc')
        .limit(100);
      return rows.map(toConnectFlow);
    },

    /** Returns how many flows of an organization are open. */
    async countOpen(orgId: string): Promise<number> {
      const row = await visible().where({ org_id: orgId }).whereNull('finished_at').count({ open: '*' }).first();
      return Number(row?.['open'] ?? 0);
    },

    /** Binds the flow to the first browser that opens it. Returns false for any other browser. */
    async bindBrowser(id: string, browserHash: string): Promise<boolean> {
      const bound = await visible()
        .where({ id })
        .where((free) => free.whereNull('browser_hash').orWhere({ browser_hash: browserHash }))
        .update({ browser_hash: browserHash, updated_at: Date.now() });
      return bound === 1;
    },

    /** Moves the status if the current status allows it. A final status deletes the one-time codes. */
    async move(
      id: string,
      to: FlowStatus,
      { reason = null, detail = null, ...note }: FlowNote & { reason?: string | null } = {},
    ): Promise<boolean> {
      const now = Date.now();
      const end = isFinalFlowStatus(to)
        ? { finished_at: now, sealed_manifest_code: null, sealed_sign_in_code: null }
        : {};
      const moved = await visible()
        .where({ id })
        .whereIn('status', sourcesOf(flowMoves, to))
        .update({ ...columnsOf(note), ...end, status: to, reason, detail, updated_at: now });
      return moved === 1;
    },

    /** Stores what is known so far. Returns false if the flow has ended. */
    async note(id: string, note: FlowNote): Promise<boolean> {
      const noted = await visible()
        .where({ id })
        .whereNull('finished_at')
        .update({ ...columnsOf(note), updated_at: Date.now() });
      return noted === 1;
    },
  };
}

/** Covers all tenants. Use it only with IDs that were authorized when they were stored. */
export const allConnectFlows = (db: Db) => connectFlowsFor(db, everything);

const columns: Record<keyof FlowNote, keyof ConnectFlowRow> = {
  integrationId: 'integration_id',
  accountId: 'account_id',
  detail: 'detail',
  sealedManifestCode: 'sealed_manifest_code',
  sealedSignInCode: 'sealed_sign_in_code',
  conversionSentAt: 'conversion_sent_at',
  claimedInstallation: 'claimed_installation',
  setupAction: 'setup_action',
  githubUserId: 'github_user_id',
  githubLogin: 'github_login',
  ownerProof: 'owner_proof',
  ownerProofAccount: 'owner_proof_account',
  requestedAccount: 'requested_account',
  requestedLogin: 'requested_login',
  requestedAt: 'requested_at',
  accountChoices: 'account_choices',
  approvedInstallation: 'approved_installation',
  confirmedAt: 'confirmed_at',
  rebound: 'rebound',
  expiresAt: 'expires_at',
};

function columnsOf(note: FlowNote): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(note)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [columns[name as keyof FlowNote], Array.isArray(value) ? JSON.stringify(value) : value]),
  );
}

function toConnectFlow(row: ConnectFlowRow): ConnectFlow {
  return {
    id: row.id,
    orgId: row.org_id,
    projectId: row.project_id,
    kind: row.kind,
    createdBy: row.created_by,
    hostUrl: row.host_url,
    apiUrl: row.api_url,
    githubAppId: row.github_app_id,
    integrationId: row.integration_id,
    displayName: row.display_name,
    appName: row.app_name,
    appPublic: Boolean(row.app_public),
    reauthorizes: Boolean(row.reauthorizes),
    accountLogin: row.account_login,
    accountId: row.account_id,
    redirectUrl: row.redirect_url,
    status: row.status,
    reason: row.reason,
    detail: row.detail,
    browserHash: row.browser_hash,
    sealedManifestCode: row.sealed_manifest_code,
    sealedSignInCode: row.sealed_sign_in_code,
    conversionSentAt: row.conversion_sent_at,
    claimedInstallation: row.claimed_installation,
    setupAction: row.setup_action,
    githubUserId: row.github_user_id,
    githubLogin: row.github_login,
    ownerProof: row.owner_proof,
    ownerProofAccount: row.owner_proof_account,
    requestedAccount: row.requested_account,
    requestedLogin: row.requested_login,
    requestedAt: row.requested_at,
    accountChoices: row.account_choices === null ? null : JSON.parse(row.account_choices),
    approvedInstallation: row.approved_installation,
    confirmedAt: row.confirmed_at,
    rebound: row.rebound,
    expiresAt: row.expires_at,
    finishedAt: row.finished_at,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
