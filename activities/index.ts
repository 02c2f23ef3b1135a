import type { RevocationDeps } from '../broker/revocation.ts';
import { buildActivities } from './builds.ts';
import { checkActivities } from './checks.ts';
import { type CloudAccountDeps, cloudAccountActivities } from './cloud-accounts.ts';
import { type ConnectDeps, connectActivities } from './connect.ts';
import { deletionActivities } from './deletion.ts';
import { type DeliveryDeps, deliveryActivities } from './deliveries.ts';
import { dispatchActivities } from './dispatch.ts';
import { withFailures } from './failures.ts';
import { type GoogleConsentDeps, googleConsentActivities } from './google-consents.ts';
import { type InstallationDeps, installationActivities } from './installations.ts';
import { leaseActivities } from './leases.ts';
import type { ReachDeps } from './reach.ts';
import { type ReconcileDeps, reconcileActivities } from './reconcile.ts';
import { type RefreshDeps, refreshActivities } from './refresh.ts';
import { reportActivities } from './reports.ts';
import { type RepositoryDeps, repositoryActivities } from './repositories.ts';
import { type RotationDeps, rotationActivities } from './rotation.ts';
import { runActivities } from './runs.ts';
import { type SigningKeyDeps, signingKeyActivities } from './signing-keys.ts';
import { type VerificationDeps, verificationActivities } from './verification.ts';

export type ActivityDeps = ReachDeps &
  InstallationDeps &
  RepositoryDeps &
  RefreshDeps &
  ConnectDeps &
  DeliveryDeps &
  RevocationDeps &
  RotationDeps &
  SigningKeyDeps &
  CloudAccountDeps &
  GoogleConsentDeps &
  VerificationDeps &
  ReconcileDeps;

/** Every activity of the worker, by the name under which workflows ask for it. */
export function createActivities(deps: ActivityDeps) {
  return withFailures({
    ...buildActivities(deps),
    ...dispatchActivities(deps),
    ...runActivities(deps),
    ...reportActivities(deps),
    ...installationActivities(deps),
    ...repositoryActivities(deps),
    ...refreshActivities(deps),
    ...connectActivities(deps),
    ...deliveryActivities(deps),
    ...deletionActivities(deps),
    ...rotationActivities(deps),
    ...leaseActivities(deps),
    ...reconcileActivities(deps),
    ...signingKeyActivities(deps),
    ...cloudAccountActivities(deps),
    ...googleConsentActivities(deps),
    ...verificationActivities(deps),
    ...checkActivities(deps),
  });
}

export type Activities = ReturnType<typeof createActivities>;
