import { z } from 'zod';
import { type HealthFacts, healthFactsOf, usedIntegrationIds } from '../../db/integrations/integration-health.ts';
import { allIntegrations, type Integration } from '../../db/integrations/integrations.ts';
import { projectsFor } from '../../db/people/projects.ts';
import type { Db } from '../../db/store/connection.ts';
import { inheritedAction, inheritedHealth } from '../../domain/clouds/inherited-access.ts';
import {
  forecastOf,
  forecasts,
  healthOf,
  healthStates,
  type Judged,
  nextAction,
} from '../../domain/integrations/integration-health.ts';
import { integrationStatuses } from '../../domain/integrations/integration-status.ts';
import type { ApiDeps } from '../http/deps.ts';
import { type Endpoint, endpoint, reply } from '../http/endpoint.ts';
import { epochSeconds, id, toSeconds } from '../http/input.ts';
import { required } from '../http/problems.ts';
import { RegistryCheckView } from '../registries/registry-view.ts';
import { kinds } from './integration-view.ts';
import { findReadable } from './integrations.ts';

const HealthView = z
  .object({
    integration_id: z.string(),
    display_name: z.string(),
    provider: z.enum(kinds),
    host_url: z.string(),
    state: z.enum(healthStates),
    status: z.enum(integrationStatuses),
    reason: z.string().nullable().describe('A stable code that explains the status'),
    checked_at: epochSeconds.nullable(),
    last_success_at: epochSeconds.nullable(),
    last_used_at: epochSeconds
      .nullable()
      .describe('When a credential was last issued. Null if its lease was deleted because of its age'),
    next_check_at: epochSeconds.nullable(),
    expires_at: epochSeconds.nullable().describe('When the credential expires, if its owner has set a date'),
    forecast: z.enum(forecasts),
    unanswered_checks: z
      .int()
      .describe(
        'Consecutive checks without a response from the provider. They do not mean that the credential is invalid',
      ),
    checks: z.array(RegistryCheckView),
    next_action: z
      .object({ text: z.string(), link: z.string().nullable() })
      .nullable()
      .describe('What to do next. Null if there is nothing to do'),
  })
  .meta({ id: 'IntegrationHealth' });

const ProjectHealth = z
  .object({
    integrations: z.array(HealthView).describe('The integrations, the least healthy first'),
    forecast: z.object({ expired: z.int(), within_7_days: z.int(), within_30_days: z.int() }),
  })
  .meta({ id: 'ProjectHealth' });

/** The most integrations in one response. A project has few, and a caller with more can read them one by one. */
const mostIntegrations = 200;

export function healthRoutes({ database }: Pick<ApiDeps, 'database'>): Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: '/v1/integrations/{integration}/health',
      operationId: 'getIntegrationHealth',
      tag: 'integrations',
      summary: 'Get the health of an integration',
      description:
        'Returns the result of the last checks without contacting the provider. Use `POST …/verify` to check again.',
      access: 'integrations:read',
      params: z.strictObject({ integration: id('int') }),
      success: { status: 200, body: HealthView },
      async read({ tenant, params }) {
        const integration = await findReadable(database.reader, tenant, params.integration);
        return reply({ body: await healthView(database.reader, integration) });
      },
    }),
    endpoint({
      method: 'get',
      path: '/v1/projects/{project}/integrations/health',
      operationId: 'getProjectHealth',
      tag: 'integrations',
      summary: 'Get the health of a project’s integrations',
      description: `Returns up to ${mostIntegrations} integrations that the project owns or has been granted.`,
      access: 'integrations:read',
      params: z.strictObject({ project: id('prj') }),
      success: { status: 200, body: ProjectHealth },
      async read({ tenant, params }) {
        required(await projectsFor(database.reader, tenant).find(params.project));
        const ids = await usedIntegrationIds(database.reader, params.project, mostIntegrations);
        const found = await Promise.all(ids.map((one) => allIntegrations(database.reader).find(one)));
        const views = await Promise.all(found.flatMap((one) => (one ? [healthView(database.reader, one)] : [])));
        const count = (forecast: View['forecast']) => views.filter((one) => one.forecast === forecast).length;
        return reply({
          body: {
            integrations: views.sort(byUrgency),
            forecast: {
              expired: count('expired'),
              within_7_days: count('within_7_days'),
              within_30_days: count('within_30_days'),
            },
          },
        });
      },
    }),
  ];
}

type View = z.input<typeof HealthView>;

async function healthView(db: Db, integration: Integration): Promise<View> {
  const facts = await healthFactsOf(db, integration.id);
  const { status, statusReason: reason, kind } = integration;
  const { checkedAt, strikes, expiresAt, checks } = facts;
  const judged = judge(integration, facts);
  return {
    integration_id: integration.id,
    display_name: integration.displayName,
    provider: kind as View['provider'],
    host_url: integration.hostUrl,
    state: healthOf(judged),
    status,
    reason,
    checked_at: toSeconds(checkedAt),
    last_success_at: toSeconds(facts.lastSuccessAt),
    last_used_at: toSeconds(facts.lastUsedAt),
    next_check_at: toSeconds(facts.nextCheckAt),
    expires_at: toSeconds(expiresAt),
    forecast: judged.forecast,
    unanswered_checks: strikes,
    checks: checks.map(({ checkedAt: at, ...one }) => ({ ...one, checked_at: toSeconds(at) })),
    next_action: nextStepIn(integration, facts, judged),
  };
}

function judge({ status }: Integration, facts: HealthFacts): Judged {
  const { checkedAt, strikes, refusals, expiresAt, checks, incidents, cloudAccount } = facts;
  return {
    status,
    checkedAt,
    strikes,
    refusals,
    forecast: forecastOf(expiresAt, Date.now()),
    denied: checks.filter(({ outcome }) => outcome === 'denied').length,
    incidents: incidents.length,
    inherited: inheritedHealth(cloudAccount),
  };
}

/**
 * Returns what a person must do next about the integration, without its incidents, which not every caller may read. Null
 * if there is nothing to do.
 */
export async function usualStepOf(db: Db, integration: Integration): Promise<View['next_action']> {
  const facts = { ...(await healthFactsOf(db, integration.id)), incidents: [] };
  return nextStepIn(integration, facts, judge(integration, facts));
}

function nextStepIn(
  { id: integrationId, statusReason: reason, kind }: Integration,
  { cloudAccount, incidents: [incident] }: HealthFacts,
  judged: Judged,
): View['next_action'] {
  const inherited = inheritedAction(cloudAccount, judged);
  if (inherited !== null) return { text: inherited, link: null };
  if (incident) return { text: incident.action, link: incident.link };
  const usual = nextAction({ ...judged, kind, reason });
  return usual === null ? null : { text: usual.replace('{integration}', integrationId), link: null };
}

/** Sorts failing integrations before those that will fail, and earlier expiry first. */
function byUrgency(one: View, other: View): number {
  const state = healthStates.indexOf(one.state) - healthStates.indexOf(other.state);
  if (state !== 0) return state;
  const ends = (one.expires_at ?? Number.POSITIVE_INFINITY) - (other.expires_at ?? Number.POSITIVE_INFINITY);
  return Number.isNaN(ends) || ends === 0 ? one.integration_id.localeCompare(other.integration_id) : ends;
}
