import { proxyActivities, proxyLocalActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import {
  databaseStep,
  type Exceptions,
  giveUpSoon,
  keepTrying,
  once,
  type Patience,
  pauses,
  tryForDays,
  withExceptions,
} from './patience.ts';

type Proxies = ReturnType<typeof proxyActivities<Activities>>;

/** Returns an activity that runs with the patience, apart from the given exceptions. Operators see the summary. */
function activity<Name extends keyof Activities>(
  name: Name,
  summary: string,
  patience: Patience,
  exceptions: Exceptions = {},
): Proxies[Name] {
  return proxyActivities<Activities>({ ...withExceptions(patience, exceptions), summary })[name];
}

/** A second request would start a second run, so there is one attempt. */
export const sendDispatch = activity('sendDispatch', 'Ask GitHub to start the run, once', once);

export const lookForRun = activity('lookForRun', 'Look up the run', giveUpSoon, {
  total: '2 minutes',
  heartbeat: 'none',
});

/** A run that continues after its build has ended costs money. */
export const cancelRun = activity('cancelRun', 'Cancel the run at GitHub', keepTrying, {
  total: '5 minutes',
  retry: { maximumInterval: '30 seconds' },
  heartbeat: 'none',
});

/** The next report replaces one that failed. */
export const reportProgress = activity('reportBuild', 'Report the progress of the build to GitHub', giveUpSoon, {
  total: '1 minute',
  retry: { maximumAttempts: 3 },
});

/** A commit that stays pending blocks a merge, so only a refusal ends the attempts before a day has passed. */
export const reportEnd = activity('reportBuild', 'Report the result of the build to GitHub', tryForDays, {
  total: '1 day',
  retry: pauses('2 seconds', '10 minutes'),
});

const syncOptions: Exceptions = { retry: pauses('1 second', '2 minutes') };

export const syncInstallationPage = activity(
  'syncInstallationPage',
  'Read a page of installations from GitHub',
  keepTrying,
  syncOptions,
);

export const confirmInstallations = activity(
  'confirmInstallations',
  'Check the installations that were on no page',
  keepTrying,
  syncOptions,
);

/** A person expects to see soon what they changed at GitHub. A sync follows in any case. */
export const readInstallation = activity('readInstallation', 'Read one installation from GitHub', keepTrying, {
  attempt: '30 seconds',
  total: '2 minutes',
  retry: pauses('200 milliseconds', '10 seconds'),
});

/** Other installations wait for this one, and the workflow tries it again after them. */
export const syncRepositoryPage = activity(
  'syncRepositoryPage',
  'Read a page of repositories from GitHub',
  giveUpSoon,
  { total: '2 minutes', retry: pauses('1 second', '10 seconds', 5) },
);

/** The total is longer than GitHub's hourly rate limit can last. */
export const syncRepositoryPagePatiently = activity(
  'syncRepositoryPage',
  'Read a page of repositories from GitHub, with long pauses',
  keepTrying,
  { total: '65 minutes', retry: pauses('2 seconds', '2 minutes') },
);

/** The code is valid for an hour. GitHub accepts it once, so a second attempt creates no second App. */
export const convertManifest = activity(
  'convertManifest',
  'Exchange the manifest code for the App and encrypt its secrets',
  keepTrying,
  { retry: pauses('2 seconds', '1 minute') },
);

/** The code is valid for ten minutes. The person waits, and can sign in again. */
export const identifyInstaller = activity('identifyInstaller', 'Identify the person who signed in', keepTrying, {
  total: '10 minutes',
  retry: pauses('1 second', '30 seconds'),
});

export const proveOwnership = activity('proveOwnership', 'Check that the person owns the account', keepTrying);

export const bindInstallation = activity('bindInstallation', 'Connect the account', keepTrying);

export const lookForApproval = activity('lookForApproval', 'Check whether an owner has approved', giveUpSoon);

/** GitHub's clock can differ from ours, so the total is longer than the token lives. */
export const revokeMintedToken = activity('revokeMintedToken', 'Revoke a token at its provider', keepTrying, {
  total: '90 minutes',
  heartbeat: 'none',
});

export const revokeConsent = activity('revokeConsent', 'Revoke a consent at Google', tryForDays, {
  heartbeat: 'none',
});

export const uninstallInstallation = activity(
  'uninstallInstallation',
  'Uninstall the App if no other integration uses it',
  tryForDays,
);

/** GitHub keeps the log for days, and can ask for long pauses. */
export const readDeliveryLog = activity('readDeliveryLog', 'Look for missed webhooks', keepTrying, {
  attempt: '15 minutes',
  total: '6 hours',
  retry: pauses('2 seconds', '5 minutes'),
});

/** Other repositories wait for this one, and the next recovery tries it again. */
export const fillGap = activity(
  'fillGap',
  'Compare the branches of a repository with the last decided commits',
  giveUpSoon,
  { attempt: '3 minutes', total: '5 minutes', retry: pauses('2 seconds', '30 seconds', 5) },
);

const proofOptions: Exceptions = { total: '1 day', retry: pauses('1 second', '10 minutes') };

/** The old version stays in use until the new one is proven, so no caller waits. */
export const proveVersion = activity('proveVersion', 'Try the credential at the provider', tryForDays, proofOptions);

export const proveOldVersion = activity(
  'proveOldVersion',
  'Try the credential at the provider',
  tryForDays,
  proofOptions,
);

/** Fairlead accepts both webhook secrets until this succeeds. */
export const settleVersion = activity(
  'settleVersion',
  'Send the webhook secret in use to the provider again',
  tryForDays,
  { retry: pauses('10 seconds', '1 hour') },
);

export const probeOldVersion = activity('probeOldVersion', 'Check whether the old credential still works', giveUpSoon);

/** The next night is another chance, but a short outage of the host should not cost this one. */
export const checkApp = activity('checkApp', 'Compare the App with its settings at GitHub', keepTrying, {
  attempt: '2 minutes',
  total: '6 hours',
  retry: pauses('5 seconds', '10 minutes'),
});

/** A registry that is down proves nothing about the credential. */
export const probeRegistry = activity('probeRegistry', 'Ask the registry what the credential may do', keepTrying, {
  attempt: '5 minutes',
  total: '10 minutes',
});

/** No caller waits for this check, and the registry is checked again when it is next due. */
export const probeRegistryBriefly = activity(
  'probeRegistry',
  'Ask the registry whether it still accepts the credential',
  giveUpSoon,
  { attempt: '5 minutes', total: '10 minutes', retry: pauses('1 second', '1 minute', 4) },
);

/** A cloud that is down proves nothing about the account. */
export const askCloud = activity('askCloud', 'Check the cloud account at its cloud', keepTrying, {
  total: '5 minutes',
  retry: pauses('1 second', '30 seconds'),
});

/** One attempt looks at many rows, one after the other. */
export const sweepStuck = activity('sweepStuck', 'Look for builds and deletions that are stuck', keepTrying, {
  attempt: '10 minutes',
  retry: pauses('5 seconds', '1 minute'),
});

/** These activities use only the database, so they run as local activities. */
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
  cancelInTemporal,
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
} = proxyLocalActivities<Activities>(databaseStep);
