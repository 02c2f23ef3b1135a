import type { BuildStatus } from '../domain/build-status.ts';
import type { CredentialStatus } from '../domain/credential-status.ts';
import type { DeliveryOrigin, DeliveryStatus } from '../domain/delivery-status.ts';
import type { DispatchState } from '../domain/dispatch-state.ts';
import type { FlowKind, FlowStatus, StatePurpose } from '../domain/flow-status.ts';
import type { IntegrationStatus } from '../domain/integration-status.ts';
import type { Role } from '../domain/scopes.ts';

/** SQLite answers 0 and 1 where Postgres answers booleans. */
type Bool = boolean | number;
/** JSON kept as text, so that both databases give back what was put in. */
type Json = string;

type Times = { created_at: number; updated_at: number };
type Tenant = { org_id: string };
type OwnedByProject = Tenant & { project_id: string };

export type OrgRow = Times & { id: string; name: string; revision: number };
export type ProjectRow = Times & Tenant & { id: string; name: string; revision: number; deleted_at: number | null };
export type UserRow = Times & { id: string; name: string; ops: Bool };
export type MembershipRow = Times & Tenant & { user_id: string; role: Role };
export type SignInLinkRow = {
  code_hash: string;
  user_id: string;
  created_at: number;
  expires_at: number;
  used_at: number | null;
};
export type SessionRow = {
  id: string;
  user_id: string;
  hash: string;
  created_at: number;
  expires_at: number;
  revoked_at: number | null;
};
export type TokenRow = Tenant & {
  id: string;
  project_id: string | null;
  app_id: string | null;
  build_id: string | null;
  name: string;
  hash: string;
  hint: string;
  scopes: Json;
  created_by: string;
  created_at: number;
  expires_at: number | null;
  last_used_at: number | null;
  revoked_at: number | null;
};
export type GithubAppRow = Times & {
  id: string;
  org_id: string | null;
  host_url: string;
  api_url: string;
  app_id: number;
  slug: string;
  name: string;
  client_id: string | null;
  sync_pass: number;
  synced_at: number | null;
  sync_error: string | null;
};
export type InstallationRow = Times & {
  id: string;
  org_id: string | null;
  github_app_id: string;
  external_id: number;
  account_login: string;
  account_id: number;
  target_type: string;
  repository_selection: string;
  permissions: Json;
  events: Json;
  suspended_at: number | null;
  removed_at: number | null;
  seen_pass: number;
  sync_error: string | null;
};
export type RepositoryRow = Times & {
  id: string;
  github_app_id: string;
  installation_id: string;
  external_id: number;
  owner: string;
  name: string;
  full_name: string;
  url: string;
  visibility: string;
  default_branch: string;
  archived: Bool;
  removed_at: number | null;
  seen_pass: number;
  seen_page: number | null;
};
export type RepositoryPageRow = {
  installation_id: string;
  page: number;
  next_page: number | null;
  etag: string | null;
  total_count: number;
  repositories: number;
  seen_pass: number;
  read_at: number;
};
export type IntegrationRow = Times &
  Tenant & {
    id: string;
    project_id: string | null;
    owner_id: string;
    kind: string;
    host_url: string;
    auth_mode: string;
    status: IntegrationStatus;
    status_reason: string | null;
    display_name: string;
    metadata: Json;
    identity_key: string;
    github_app_id: string | null;
    created_by: string;
    revision: number;
    epoch: number;
    revocation: 'auto' | 'always' | 'never' | null;
    revocation_outcome: string | null;
    deleted_at: number | null;
  };
export type GrantRow = Tenant & {
  integration_id: string;
  project_id: string;
  created_by: string;
  created_at: number;
};
export type MintedTokenRow = Tenant & {
  id: string;
  integration_id: string;
  installation_id: string | null;
  hash: string;
  sealed: string | null;
  key_id: string | null;
  created_at: number;
  expires_at: number;
  revoked_at: number | null;
};
export type LeaseRow = OwnedByProject & {
  id: string;
  integration_id: string;
  app_id: string | null;
  build_id: string | null;
  minted_token_id: string | null;
  purpose: string;
  scope: Json;
  holder: string;
  status: 'active' | 'revoked';
  outcome: string | null;
  created_at: number;
  expires_at: number;
  revoked_at: number | null;
};
export type BindingRow = { integration_id: string; installation_id: string; owner_id: string; created_at: number };
export type CredentialRow = Times & {
  id: string;
  org_id: string | null;
  github_app_id: string | null;
  integration_id: string | null;
  kind: string;
};
export type CredentialVersionRow = Times & {
  id: string;
  credential_id: string;
  version: number;
  status: CredentialStatus;
  sealed: string | null;
  key_id: string | null;
};
export type AppRow = Times &
  OwnedByProject & {
    id: string;
    name: string;
    source_integration_id: string | null;
    source_repository_id: string | null;
    source_branch: string | null;
    auto_deploy: Bool;
    revision: number;
    deleted_at: number | null;
  };
export type PipelineRow = Times &
  OwnedByProject & {
    id: string;
    app_id: string;
    name: string;
    enabled: Bool;
    events: Json;
    branches: Json;
    tags: Json;
    executor: string;
    workflow_file: string;
    inputs: Json;
    environment: string | null;
    timeout_minutes: number;
    revision: number;
    deleted_at: number | null;
  };
export type BuildRow = Times &
  OwnedByProject & {
    id: string;
    app_id: string;
    pipeline_id: string;
    integration_id: string;
    repository_id: string;
    status: BuildStatus;
    reason: string | null;
    detail: string | null;
    event: string;
    ref: string;
    ref_name: string;
    sha: string;
    dispatch_ref: string;
    fairlead_ref: string;
    pull_request: number | null;
    fork: Bool;
    message: string | null;
    pipeline: Json;
    rerun_of: string | null;
    delivery_id: string | null;
    created_by: string;
    run_id: number | null;
    run_attempt: number | null;
    run_url: string | null;
    cancel_requested: Bool;
    deployment_id: number | null;
    reported_status: string | null;
    revision: number;
    started_at: number | null;
    finished_at: number | null;
  };
export type BuildEventRow = OwnedByProject & {
  id: string;
  build_id: string;
  type: string;
  detail: Json;
  created_at: number;
};
export type DispatchRow = Times & {
  build_id: string;
  state: DispatchState;
  code: string | null;
  detail: string | null;
  run_id: number | null;
};
export type DeliveryRow = {
  id: string;
  org_id: string | null;
  github_app_id: string;
  provider_delivery_id: string;
  event: string;
  origin: DeliveryOrigin;
  content_key: string | null;
  headers: Json;
  size: number;
  status: DeliveryStatus;
  reason: string | null;
  action: string | null;
  installation_external_id: number | null;
  repository_external_id: number | null;
  attempts: number;
  received_at: number;
  decided_at: number | null;
};
export type DeliveryWatermarkRow = {
  github_app_id: string;
  complete_until: number;
  polled_at: number;
  updated_at: number;
};
export type RefHeadRow = {
  repository_id: string;
  ref: string;
  sha: string;
  pushed_at: number;
  origin: DeliveryOrigin;
  noticed_sha: string | null;
  noticed_at: number | null;
};
export type HeadCheckRow = { repository_id: string; github_app_id: string; created_at: number };
export type DeliveryBodyRow = { delivery_id: string; body: Buffer };
export type DecisionRow = OwnedByProject & {
  delivery_id: string;
  pipeline_id: string;
  outcome: string;
  reason: string;
  build_id: string | null;
  created_at: number;
};
export type CommandRow = Times & {
  id: string;
  action: 'start' | 'signal' | 'signal_with_start';
  workflow: string;
  workflow_id: string;
  signal: string | null;
  input: Json;
  attributes: Json;
  summary: string;
  status: 'pending' | 'done' | 'failed';
  last_error: string | null;
  attempts: number;
  due_at: number;
};
export type OperationRow = Times & {
  id: string;
  org_id: string | null;
  project_id: string | null;
  kind: string;
  subject_id: string;
  workflow_id: string;
  status: 'running' | 'succeeded' | 'failed';
  error_code: string | null;
  error_detail: string | null;
  taken_up_at: number | null;
  finished_at: number | null;
};
export type IdempotencyKeyRow = {
  caller_id: string;
  key: string;
  fingerprint: string;
  status: number;
  headers: Json;
  body: string | null;
  created_at: number;
};
export type AuditEventRow = {
  id: string;
  chain: string;
  org_id: string | null;
  project_id: string | null;
  actor: string;
  action: string;
  target: string;
  outcome: string;
  ip: string | null;
  request_id: string | null;
  detail: Json;
  created_at: number;
  sequence: number | null;
  previous_hash: string | null;
  hash: string | null;
};
export type IncidentRow = Times & {
  id: string;
  org_id: string | null;
  project_id: string | null;
  code: string;
  subject_id: string;
  title: string;
  action: string;
  status: 'open' | 'resolved';
  count: number;
  resolved_at: number | null;
};
export type ConnectFlowRow = Times &
  Tenant & {
    id: string;
    project_id: string | null;
    kind: FlowKind;
    created_by: string;
    host_url: string;
    api_url: string;
    github_app_id: string;
    integration_id: string | null;
    display_name: string | null;
    app_name: string;
    app_public: Bool;
    account_login: string | null;
    account_id: number | null;
    redirect_url: string | null;
    status: FlowStatus;
    reason: string | null;
    detail: string | null;
    browser_hash: string | null;
    sealed_manifest_code: string | null;
    sealed_sign_in_code: string | null;
    conversion_sent_at: number | null;
    claimed_installation: number | null;
    setup_action: string | null;
    github_user_id: number | null;
    github_login: string | null;
    owner_proof: 'account' | 'membership' | null;
    owner_proof_account: number | null;
    requested_account: number | null;
    approved_installation: number | null;
    confirmed_at: number | null;
    expires_at: number;
    finished_at: number | null;
  };
export type FlowStateRow = {
  hash: string;
  flow_id: string;
  purpose: StatePurpose;
  sealed_verifier: string | null;
  created_at: number;
  expires_at: number;
  used_at: number | null;
  answer_hash: string | null;
};
export type InstallationWitnessRow = {
  github_app_id: string;
  external_id: number;
  role: 'sender' | 'requester';
  github_user_id: number;
  account_id: number;
  created_at: number;
};
export type RelayRow = { id: string; seen_at: number; temporal_reachable: Bool };

declare module 'knex/types/tables.js' {
  // An interface, because Knex's own can only be added to by another.
  interface Tables {
    instance: { key: string; value: string };
    orgs: OrgRow;
    projects: ProjectRow;
    users: UserRow;
    memberships: MembershipRow;
    sign_in_links: SignInLinkRow;
    sessions: SessionRow;
    tokens: TokenRow;
    github_apps: GithubAppRow;
    installations: InstallationRow;
    repositories: RepositoryRow;
    repository_pages: RepositoryPageRow;
    integrations: IntegrationRow;
    bindings: BindingRow;
    grants: GrantRow;
    minted_tokens: MintedTokenRow;
    leases: LeaseRow;
    connect_flows: ConnectFlowRow;
    flow_states: FlowStateRow;
    installation_witnesses: InstallationWitnessRow;
    credentials: CredentialRow;
    credential_versions: CredentialVersionRow;
    apps: AppRow;
    pipelines: PipelineRow;
    builds: BuildRow;
    build_events: BuildEventRow;
    dispatches: DispatchRow;
    deliveries: DeliveryRow;
    delivery_bodies: DeliveryBodyRow;
    delivery_watermarks: DeliveryWatermarkRow;
    ref_heads: RefHeadRow;
    head_checks: HeadCheckRow;
    decisions: DecisionRow;
    commands: CommandRow;
    operations: OperationRow;
    idempotency_keys: IdempotencyKeyRow;
    audit_events: AuditEventRow;
    incidents: IncidentRow;
    relays: RelayRow;
  }
}
