import type { RevocationDeps } from '../broker/exchange/revocation.ts';
import { buildActivities } from './builds/builds.ts';
import { dispatchActivities } from './builds/dispatch.ts';
import type { ReachDeps } from './builds/reach.ts';
import { reportActivities } from './builds/reports.ts';
import { runActivities } from './builds/runs.ts';
import {
  type CloudAccountDeps,
  cloudAccountActivities,
  type SigningKeyDeps,
  signingKeyActivities,
} from './clouds/cloud-accounts.ts';
import { type GoogleConsentDeps, googleConsentActivities } from './clouds/google-consents.ts';
import { type ConnectDeps, connectActivities } from './connect/connect.ts';
import { deletionActivities } from './deletion/deletion.ts';
import { type DeliveryDeps, deliveryActivities } from './deliveries/recovery.ts';
import { leaseActivities } from './exchange/leases.ts';
import { withFailures } from './failures.ts';
import { type InstallationDeps, installationActivities } from './github/installations.ts';
import { type ReconcileDeps, reconcileActivities } from './github/reconcile.ts';
import { type RefreshDeps, refreshActivities } from './github/refresh.ts';
import { type RepositoryDeps, repositoryActivities } from './github/repositories.ts';
import { withHeartbeats } from './heartbeats.ts';
import { checkActivities } from './registries/registry-watch.ts';
import { type VerificationDeps, verificationActivities } from './registries/verification.ts';
import { type RotationDeps, rotationActivities } from './secrets/rotation.ts';
import { withWaits } from './waits.ts';

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

/** Every activity of the worker, under the name that workflows call it by. */
export function createActivities(deps: ActivityDeps) {
  const activities = {
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
  };
  return withWaits(deps.database, withFailures(withHeartbeats(activities)));
}

export type Activities = ReturnType<typeof createActivities>;
