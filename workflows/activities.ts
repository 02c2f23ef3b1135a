import { proxyActivities, proxyLocalActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';

/** GitHub would start another run: one attempt, and whoever calls this settles what it left behind. */
export const { sendDispatch } = proxyActivities<Activities>({
  startToCloseTimeout: '3 minutes',
  heartbeatTimeout: '15 seconds',
  retry: { maximumAttempts: 1 },
  summary: 'Ask GitHub to start the run, once',
});

/** Someone else's API, and the workflow asks again anyway: give up soon. */
export const { lookForRun } = proxyActivities<Activities>({
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '2 minutes',
  retry: { maximumAttempts: 3, initialInterval: '2 seconds' },
  summary: 'See how the run is',
});

/** A run that goes on after its build costs money: try for a while. */
export const { cancelRun } = proxyActivities<Activities>({
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '5 minutes',
  retry: { maximumInterval: '30 seconds' },
  summary: 'Ask GitHub to end the run',
});

/** The next report makes up for one that failed. */
export const { reportBuild: reportProgress } = proxyActivities<Activities>({
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '1 minute',
  heartbeatTimeout: '15 seconds',
  retry: { maximumAttempts: 3 },
  summary: 'Tell GitHub how the build is',
});

/** A commit that stays pending blocks a merge: nothing but a refusal ends this before a day is over. */
export const { reportBuild: reportEnd } = proxyActivities<Activities>({
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '1 day',
  heartbeatTimeout: '15 seconds',
  retry: { initialInterval: '2 seconds', maximumInterval: '10 minutes' },
  summary: 'Tell GitHub how the build ended',
});

/** Reading is harmless: try until a person would rather know. */
export const { syncInstallationPage, confirmInstallations } = proxyActivities<Activities>({
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '1 hour',
  heartbeatTimeout: '15 seconds',
  retry: { initialInterval: '1 second', maximumInterval: '2 minutes' },
  summary: 'Read a page of installations from GitHub',
});

/** People look for the effect of what they did at GitHub just now, and a sync follows. */
export const { readInstallation } = proxyActivities<Activities>({
  startToCloseTimeout: '30 seconds',
  scheduleToCloseTimeout: '2 minutes',
  heartbeatTimeout: '15 seconds',
  retry: { initialInterval: '200 milliseconds', maximumInterval: '10 seconds' },
  summary: 'Read one installation from GitHub',
});

/** Others wait meanwhile, and it is tried again after them. */
export const { syncRepositoryPage } = proxyActivities<Activities>({
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '2 minutes',
  heartbeatTimeout: '15 seconds',
  retry: { initialInterval: '1 second', maximumInterval: '10 seconds', maximumAttempts: 5 },
  summary: 'Read a page of repositories from GitHub',
});

/** Longer than GitHub's hourly limit of requests holds anybody up. */
export const { syncRepositoryPage: syncRepositoryPagePatiently } = proxyActivities<Activities>({
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '65 minutes',
  heartbeatTimeout: '15 seconds',
  retry: { initialInterval: '2 seconds', maximumInterval: '2 minutes' },
  summary: 'Read a page of repositories from GitHub, whatever is in the way',
});

/** The code lives an hour, and GitHub takes it once: asking again makes no second App. */
export const { convertManifest } = proxyActivities<Activities>({
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '1 hour',
  heartbeatTimeout: '15 seconds',
  retry: { initialInterval: '2 seconds', maximumInterval: '1 minute' },
  summary: 'Change the code for the App, and seal its secrets',
});

/** The code lives ten minutes; the person waits, and can sign in again. */
export const { identifyInstaller } = proxyActivities<Activities>({
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '10 minutes',
  heartbeatTimeout: '15 seconds',
  retry: { initialInterval: '1 second', maximumInterval: '30 seconds' },
  summary: 'Learn who signed in',
});

/** A person has done their part: try until they would rather begin anew. */
export const { proveOwnership, bindInstallation } = proxyActivities<Activities>({
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '1 hour',
  heartbeatTimeout: '15 seconds',
  retry: { initialInterval: '1 second', maximumInterval: '1 minute' },
  summary: 'Prove who owns the account, and connect it',
});

/** The workflow asks again anyway. */
export const { lookForApproval } = proxyActivities<Activities>({
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '3 minutes',
  heartbeatTimeout: '15 seconds',
  retry: { maximumAttempts: 3, initialInterval: '2 seconds' },
  summary: 'See whether an owner has approved',
});

/** Until it has died by itself, and a little longer: GitHub's clock need not be ours. */
export const { revokeMintedToken } = proxyActivities<Activities>({
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '90 minutes',
  retry: { initialInterval: '1 second', maximumInterval: '1 minute' },
  summary: 'Revoke a token at its provider',
});

/** It stays good until it is done: as often as it takes, for a week. */
export const { revokeConsent } = proxyActivities<Activities>({
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '7 days',
  retry: { initialInterval: '1 second', maximumInterval: '30 minutes' },
  summary: 'End a consent at Google',
});

/** The account stays open until it is done: as often as it takes, for a week. */
export const { uninstallInstallation } = proxyActivities<Activities>({
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '7 days',
  heartbeatTimeout: '15 seconds',
  retry: { initialInterval: '1 second', maximumInterval: '30 minutes' },
  summary: 'Uninstall the App where nobody else uses it',
});

/** GitHub keeps the log for days: try for long, and wait as long as it asks. */
export const { readDeliveryLog } = proxyActivities<Activities>({
  startToCloseTimeout: '15 minutes',
  scheduleToCloseTimeout: '6 hours',
  heartbeatTimeout: '15 seconds',
  retry: { initialInterval: '2 seconds', maximumInterval: '5 minutes' },
  summary: 'Look for webhooks that were missed',
});

/** Others wait meanwhile, and the next recovery tries again. */
export const { fillGap } = proxyActivities<Activities>({
  startToCloseTimeout: '3 minutes',
  scheduleToCloseTimeout: '5 minutes',
  heartbeatTimeout: '15 seconds',
  retry: { initialInterval: '2 seconds', maximumInterval: '30 seconds', maximumAttempts: 5 },
  summary: 'Compare the branches of a repository with what was decided last',
});

/** Nobody waits in vain: until it is proven the old version is in use, and GitHub is told of a secret as often as it takes. */
export const { proveVersion, proveOldVersion } = proxyActivities<Activities>({
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '1 day',
  heartbeatTimeout: '15 seconds',
  retry: { initialInterval: '1 second', maximumInterval: '10 minutes' },
  summary: 'Try the credential at the provider',
});

/** Both secrets verify meanwhile. */
export const { settleVersion } = proxyActivities<Activities>({
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '7 days',
  heartbeatTimeout: '15 seconds',
  retry: { initialInterval: '10 seconds', maximumInterval: '1 hour' },
  summary: 'Tell the provider once more of the secret in use',
});

/** The workflow asks again anyway. */
export const { probeOldVersion } = proxyActivities<Activities>({
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '3 minutes',
  heartbeatTimeout: '15 seconds',
  retry: { maximumAttempts: 3, initialInterval: '2 seconds' },
  summary: 'See whether the old credential is dead',
});

/** The next night is another chance, but an outage of the host should not cost this one. */
export const { checkApp } = proxyActivities<Activities>({
  startToCloseTimeout: '2 minutes',
  scheduleToCloseTimeout: '6 hours',
  heartbeatTimeout: '15 seconds',
  retry: { initialInterval: '5 seconds', maximumInterval: '10 minutes' },
  summary: 'Compare the App with what GitHub says',
});

/** A registry that is away says nothing of the credential: try until a person would rather know, then leave all as it is. */
export const { probeRegistry } = proxyActivities<Activities>({
  startToCloseTimeout: '5 minutes',
  scheduleToCloseTimeout: '10 minutes',
  heartbeatTimeout: '15 seconds',
  retry: { initialInterval: '1 second', maximumInterval: '1 minute' },
  summary: 'Ask the registry what the credential may do',
});

/** Nobody waits for it: a registry that is away is asked again when its time has come anew. */
export const { probeRegistry: probeRegistryBriefly } = proxyActivities<Activities>({
  startToCloseTimeout: '5 minutes',
  scheduleToCloseTimeout: '10 minutes',
  heartbeatTimeout: '15 seconds',
  retry: { initialInterval: '1 second', maximumInterval: '1 minute', maximumAttempts: 4 },
  summary: 'Ask the registry whether it still takes the credential',
});

/** A cloud that is away says nothing of the account: try until a person would rather know. */
export const { askCloud } = proxyActivities<Activities>({
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '5 minutes',
  heartbeatTimeout: '15 seconds',
  retry: { initialInterval: '1 second', maximumInterval: '30 seconds' },
  summary: 'Ask the cloud who this is',
});

/** Many rows, one after the other. */
export const { sweepStuck } = proxyActivities<Activities>({
  startToCloseTimeout: '10 minutes',
  scheduleToCloseTimeout: '1 hour',
  heartbeatTimeout: '15 seconds',
  retry: { initialInterval: '5 seconds', maximumInterval: '1 minute' },
  summary: 'Look for what stands still',
});

/** Our own database: it comes back. */
export const {
  requestRecoveries,
  requestReconciliations,
  beginRecovery,
  finishRecovery,
  readFlow,
  endFlow,
  forgetSignIn,
  giveUpConversion,
  settleDispatch,
  markUncertain,
  endBuild,
  beginSync,
  finishRepositories,
  skipInstallation,
  finishSync,
  readDeletion,
  giveUpUninstall,
  finishDeletion,
  giveUpRevocation,
  readRotation,
  cutOver,
  cutBack,
  giveUpProof,
  giveUpRollback,
  retireOldVersion,
  reportOldAlive,
  rotateSigningKeys,
  beginCloudCheck,
  giveUpCloudCheck,
  giveUpConsent,
  beginVerification,
  giveUpVerification,
  claimDueChecks,
  watchRegistries,
} = proxyLocalActivities<Activities>({
  startToCloseTimeout: '10 seconds',
  retry: { initialInterval: '500 milliseconds', maximumInterval: '30 seconds' },
});
