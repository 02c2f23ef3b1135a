/** What a person is told of one kind of trouble. */
type Kind = {
  title: string;
  /** The one action that repairs it. */
  action: string;
  /** What ends it without anybody telling us. */
  resolvedBy: string;
};

/** Every kind of incident there is. Each resolves itself once what is wrong is right again, where that can be seen. */
export const incidentCatalogue = {
  dispatch_uncertain: {
    title: 'It is not known whether a build was started',
    action: 'Look at the runs of the repository at GitHub; then cancel the build, or rerun it.',
    resolvedBy: 'The run is found, or the build ends.',
  },
  build_stuck: {
    title: 'A build has had no news for longer than its pipeline allows',
    action: 'Look at its workflow in Temporal; then cancel the build, or rerun it.',
    resolvedBy: 'The build ends.',
  },
  deletion_stuck: {
    title: 'The deletion of an integration does not come to its end',
    action: 'Look at its workflow in Temporal: it is started once more each night.',
    resolvedBy: 'The integration is deleted.',
  },
  command_refused: {
    title: 'Temporal refused a command',
    action: 'Look at the relay’s log for the reason: it is not tried again by itself.',
    resolvedBy: 'Nothing: it is for a person to say that it is done.',
  },
  installation_unreadable: {
    title: 'The repositories of an installation cannot be read',
    action: 'Mend what GitHub says is wrong; then have the installations read again.',
    resolvedBy: 'A sync reads them, or the App is uninstalled.',
  },
  installation_suspended: {
    title: 'The App’s installation is suspended at GitHub',
    action: 'Unsuspend the installation at GitHub, in the settings of the account.',
    resolvedBy: 'The installation is unsuspended, or the integration is deleted.',
  },
  installation_gone: {
    title: 'The App was uninstalled at GitHub',
    action: 'Connect the account again, or delete the integration.',
    resolvedBy: 'The App is installed again, or the integration is deleted.',
  },
  permissions_missing: {
    title: 'The installation lacks permissions that the App needs',
    action: 'Have an owner of the account approve the permissions at GitHub.',
    resolvedBy: 'The permissions are granted.',
  },
  app_credentials_rejected: {
    title: 'GitHub does not accept the App: its private key does not fit, or the App was deleted',
    action: 'Make a new private key in the App’s settings at GitHub, and bring it here by a rotation.',
    resolvedBy: 'GitHub accepts the App again.',
  },
  app_incomplete: {
    title: 'The App asks for less than Fairlead needs',
    action: 'Add the missing permissions and events in the App’s settings at GitHub.',
    resolvedBy: 'The App asks for all of them.',
  },
  webhook_misdirected: {
    title: 'The App’s webhooks do not come here, and GitHub did not let that be mended',
    action: 'Set the address and the content type of the webhook in the App’s settings at GitHub.',
    resolvedBy: 'The webhook’s address and content type are right.',
  },
  delivery_log_unreadable: {
    title: 'The App’s log of webhook deliveries cannot be read, so missed ones are not made up for',
    action: 'Look at why the recovery of deliveries failed; then start it again.',
    resolvedBy: 'A recovery comes to its end.',
  },
  host_unavailable: {
    title: 'A GitHub cannot be reached, or fails',
    action: 'See whether it is up, and whether the network lets Fairlead reach it. What waits goes on by itself.',
    resolvedBy: 'A request to it succeeds.',
  },
  clock_skew: {
    title: 'The clock of this machine is wrong',
    action: 'Have NTP set the clock of the machine that Fairlead runs on.',
    resolvedBy: 'The clock is right within a minute.',
  },
  revocation_unconfirmed: {
    title: 'It is not known whether access at the provider was ended',
    action: 'Uninstall the App, or revoke the token, at the provider by hand.',
    resolvedBy:
      'A webhook or a sync tells that the App is uninstalled, or the account is connected again. Where the App’s key is gone from here, a person says that it is done.',
  },
  registry_refused: {
    title: 'A registry does not accept what is stored for it',
    action:
      'Store new credentials (`PATCH /v1/integrations/{id}`) or mend the cloud account; then have it verified again.',
    resolvedBy: 'A verification succeeds, or the integration is deleted.',
  },
  registry_unavailable: {
    title: 'A registry cannot be reached, or fails',
    action:
      'See whether it is up, and whether its network lets Fairlead in. No credential is doubted for it, and it is asked again by itself.',
    resolvedBy: 'It answers any of the organization’s integrations, or none of them is left.',
  },
  credential_expiring: {
    title: 'A credential expires within seven days, or has expired',
    action:
      'Make a new one at the registry and store it with its date: `PATCH /v1/integrations/{id}` with `credentials` and `expires_at`.',
    resolvedBy: 'It is replaced, its date is moved, or the integration is deleted.',
  },
  old_key_still_alive: {
    title: 'A credential that was replaced is still accepted',
    action: 'Delete the old key in the App’s settings at GitHub.',
    resolvedBy: 'GitHub refuses the old one, or the App’s last integration is deleted.',
  },
} as const satisfies Record<string, Kind>;

export type IncidentCode = keyof typeof incidentCatalogue;

export const incidentCodes = Object.keys(incidentCatalogue) as [IncidentCode, ...IncidentCode[]];

/** What is about the machine, and not about anything on it. */
export const instanceSubject = 'instance';
