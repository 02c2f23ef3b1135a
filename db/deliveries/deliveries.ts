import type { DeliveryOrigin, DeliveryStatus } from '../../domain/deliveries/delivery-status.ts';
import type { Db } from '../store/connection.ts';
import { type Page, type PageRequest, pageOf } from '../store/page.ts';
import type { DeliveryRow } from '../store/tables.ts';
import { type TenantScope, within } from '../store/tenant.ts';

/** A webhook as the API shows it. Its body is stored separately. */
export type Delivery = {
  id: string;
  /** Null until the relay has decided which organization it belongs to. */
  orgId: string | null;
  githubAppId: string;
  providerDeliveryId: string;
  event: string;
  origin: DeliveryOrigin;
  action: string | null;
  status: DeliveryStatus;
  reason: string | null;
  installationExternalId: number | null;
  repositoryExternalId: number | null;
  size: number;
  /** When the body was deleted because of its age. */
  bodyRemovedAt: number | null;
  headers: Record<string, string>;
  attempts: number;
  receivedAt: number;
  decidedAt: number | null;
};

export type DeliveryFilter = { status?: DeliveryStatus | undefined; event?: string | undefined };

/**
 * Returns deliveries in scope. A delivery belongs to an organization. A project sees those that its pipelines have
 * decisions about. Only operators see deliveries without an organization.
 */
export function deliveriesFor(db: Db, scope: TenantScope) {
  const rows = () => {
    const ofOrg = { org: 'org_id' };
    const perProject = scope.kind === 'grants' && scope.grants.some(({ projectId }) => projectId !== undefined);
    if (!perProject) return within(scope, db('deliveries'), ofOrg);
    return db('deliveries').where((any) => {
      within(scope, any, ofOrg);
      any.orWhereExists(
        within(scope, db('decisions').select('delivery_id')).whereRaw('decisions.delivery_id = deliveries.id'),
      );
    });
  };
  return {
    async find(id: string): Promise<Delivery | undefined> {
      const row = await rows().where({ id }).first();
      return row && toDelivery(row);
    },

    /** Lists the newest first. */
    async list({ status, event }: DeliveryFilter, page: PageRequest): Promise<Page<Delivery>> {
      const query = rows();
      if (status) query.where({ status });
      if (event) query.where({ event });
      return pageOf(query, page, toDelivery);
    },
  };
}

function toDelivery(row: DeliveryRow): Delivery {
  return {
    id: row.id,
    orgId: row.org_id,
    githubAppId: row.github_app_id,
    providerDeliveryId: row.provider_delivery_id,
    event: row.event,
    origin: row.origin,
    action: row.action,
    status: row.status,
    reason: row.reason,
    installationExternalId: row.installation_external_id,
    repositoryExternalId: row.repository_external_id,
    size: row.size,
    bodyRemovedAt: row.body_removed_at,
    headers: JSON.parse(row.headers),
    attempts: row.attempts,
    receivedAt: row.received_at,
    decidedAt: row.decided_at,
  };
}
