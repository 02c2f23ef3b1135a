/** The texts of one kind of incident. */
type Kind = {
  title: string;
  /** The one action that fixes it. */
  action: string;
  /** What resolves it automatically. */
  resolvedBy: string;
};

/** All kinds of incidents. An incident resolves automatically when Fairlead can see that its cause is gone. */
export const incidentCatalogue = {
  dispatch_uncertain: {
    title: 'Unknown whether a build was started',
    action: 'Check the workflow runs of the repository on GitHub. Then cancel the build or rerun it.',
    resolvedBy: 'The run is found, or the build ends.',
  },
  build_stuck: {
    title: 'A build has stopped reporting',
    action: 'Check its workflow in Temporal. Then cancel the build or rerun it.',
    resolvedBy: 'The build ends.',
  },
  deletion_stuck: {
    title: 'A deletion has not finished',
    action: 'Check its workflow in Temporal. If it was lost, Fairlead starts it again every night.',
    resolvedBy: 'The integration is deleted.',
  },
  command_refused: {
    title: 'Temporal refused a command',
    action: 'Find the reason in the relay’s log. Fairlead does not retry the command automatically.',
    resolvedBy: 'Only a person can resolve it.',
  },
  installation_unreadable: {
    title: 'Installation repositories cannot be read',
    action: 'Fix the problem that GitHub reports. Then start a sync of the installations.',
    resolvedBy: 'A sync reads the repositories, or the GitHub App is uninstalled.',
  },
  installation_suspended: {
    title: 'The GitHub App’s installation is suspended',
    action: 'Unsuspend the installation in the settings of the account on GitHub.',
    resolvedBy: 'The installation is unsuspended, or the integration is deleted.',
  },
  installation_gone: {
    title: 'The GitHub App was uninstalled',
    action: 'Connect the account again, or delete the integration.',
    resolvedBy: 'The GitHub App is installed again, or the integration is deleted.',
  },
  permissions_missing: {
    title: 'The installation lacks permissions',
    action: 'Ask an owner of the account to approve the permissions on GitHub.',
    resolvedBy: 'The permissions are granted.',
  },
  app_credentials_rejected: {
    title: 'GitHub App credentials were rejected',
    action:
      'Check that the GitHub App still exists. Create a new private key in its settings on GitHub, and rotate to it.',
    resolvedBy: 'GitHub accepts the GitHub App again.',
  },
  app_incomplete: {
    title: 'GitHub App lacks permissions or events',
    action: 'Add the missing permissions and events in the settings of the GitHub App.',
    resolvedBy: 'The GitHub App requests all of them.',
  },
  webhook_misdirected: {
    title: 'GitHub App webhook settings are wrong',
    action: 'Set the URL and the content type of the webhook in the settings of the GitHub App.',
    resolvedBy: 'The URL and the content type of the webhook are right.',
  },
  delivery_log_unreadable: {
    title: 'The webhook log cannot be read',
    action: 'Find out why the recovery of missed webhooks failed. Then start it again.',
    resolvedBy: 'A recovery succeeds.',
  },
  host_unavailable: {
    title: 'A GitHub host is unavailable',
    action:
      'Check that the host is up, and that the network lets Fairlead reach it. Waiting work continues automatically.',
    resolvedBy: 'A request to the host succeeds.',
  },
  clock_skew: {
    title: 'The machine’s clock is wrong',
    action: 'Enable NTP on the Fairlead host.',
    resolvedBy: 'The clock is right to within a minute.',
  },
  revocation_unconfirmed: {
    title: 'Revocation at the provider is unconfirmed',
    action: 'Uninstall the GitHub App, or revoke the access, at the provider.',
    resolvedBy:
      'A webhook or a sync reports that the GitHub App is uninstalled, or the account is connected again. If Fairlead no longer has its key, or if it is a consent at Google, a person resolves it.',
  },
  registry_refused: {
    title: 'A registry rejects the stored credentials',
    action:
      'Store new credentials (`PATCH /v1/integrations/{integration}`) or fix the cloud account. Then verify the integration again.',
    resolvedBy: 'A verification succeeds, or the integration is deleted.',
  },
  cloud_account_refused: {
    title: 'A cloud rejects an account',
    action:
      'Fix the access at the cloud, or store a new one: `PATCH /v1/cloud-accounts/{account}`. Then verify the account again.',
    resolvedBy: 'A verification succeeds, or the account is deleted.',
  },
  registry_unavailable: {
    title: 'A registry is unavailable',
    action:
      'Check that the registry is up, and that its network lets Fairlead in. The credentials stay valid, and Fairlead retries automatically.',
    resolvedBy: 'The registry responds to any of the organization’s integrations, or none of them is left.',
  },
  credential_expiring: {
    title: 'A credential is expiring or expired',
    action:
      'Create a new credential at the registry and store it with its date: `PATCH /v1/integrations/{integration}` with `credentials` and `expires_at`. For a cloud account: `PATCH /v1/cloud-accounts/{account}`.',
    resolvedBy: 'The credential is replaced, its date is changed, or what it belongs to is deleted.',
  },
  secret_unreadable: {
    title: 'A stored secret does not open',
    action:
      'Add the master key that sealed the secret to FAIRLEAD_MASTER_KEYS again. If its row was changed, restore it from a backup, or store the secret again.',
    resolvedBy: 'Every secret of the owner opens again, or was replaced.',
  },
  old_key_still_alive: {
    title: 'A replaced credential still works',
    action: 'Delete the old credential in the settings of the GitHub App.',
    resolvedBy: 'GitHub rejects the old credential, or the last integration of the GitHub App is deleted.',
  },
} as const satisfies Record<string, Kind>;

export type IncidentCode = keyof typeof incidentCatalogue;

export const incidentCodes = Object.keys(incidentCatalogue) as [IncidentCode, ...IncidentCode[]];

/** The subject of incidents about the machine itself. */
export const instanceSubject = 'instance';
