import { z } from 'zod';
import { googleConsentsIn, type NewConsentFlow } from '../../db/clouds/google-consents.ts';
import type { Transaction } from '../../db/store/connection.ts';
import type { ApiDeps } from '../http/deps.ts';
import { type Endpoint, endpoint } from '../http/endpoint.ts';
import { shownPage } from '../http/html-page.ts';
import { check, epochSeconds, exampleId, id, name, toSeconds } from '../http/input.ts';
import { Problem } from '../http/problems.ts';
import { type Asking, ownerOf } from '../people/owner.ts';
import { findCloudAccount } from './cloud-accounts.ts';
import { beginConsentPath, consentBeginnings } from './consent-begin.ts';
import { ConsentAnswer, consentLanding } from './consent-landing.ts';

/** The most open flows of one organization. It limits forgotten flows and a tenant that floods the table. */
const mostOpen = 50;

const NewConsent = z
  .strictObject({
    project_id: id('prj')
      .optional()
      .describe('The project that will own the account. You can omit it if you have access to only one project'),
    org_id: id('org').optional().describe('If you omit `project_id`, the organization owns the account'),
    display_name: name.default('Google Cloud'),
    cloud_account_id: id('ca').optional().describe('An existing account whose consent you want to renew'),
  })
  .meta({ id: 'NewGoogleConsent', examples: [{ project_id: exampleId('prj'), display_name: 'Google Cloud of Acme' }] });

const StartedConsent = z.object({ url: z.string(), expires_at: epochSeconds }).meta({ id: 'StartedGoogleConsent' });
const Ticket = z.strictObject({ ticket: z.string().min(1).max(200).optional() });
const toGoogle = { status: 303, description: 'Redirect to Google' };

/** The routes of Google's consent. With it, a person allows Fairlead to use their own access. */
export function googleConsentRoutes(deps: ApiDeps): Endpoint[] {
  const { googleConsents, links } = deps;
  const { open, begin } = consentBeginnings(deps);
  return [
    endpoint({
      method: 'post',
      path: '/v1/cloud-accounts/gcp/start',
      operationId: 'startGoogleConsent',
      tag: 'clouds',
      summary: 'Start the consent at Google',
      description:
        'Creates a cloud account that uses the consent of a person. Open `url` in the browser of that person within ten minutes. It leads to Google and back to a page with the result. Only the first browser that continues can finish.',
      access: 'clouds:write',
      body: NewConsent,
      success: { status: 201, body: StartedConsent },
      problems: ['not_found', 'google_oauth_missing', 'provider_not_supported'],
      secret: ['url'],
      async write({ trx, tenant, caller, body, audit }) {
        if (!googleConsents.isOffered) {
          throw new Problem(
            'google_oauth_missing',
            'Ask the operator to set GOOGLE_OAUTH_CLIENT_ID and GOOGLE_OAUTH_CLIENT_SECRET, or use `workload_identity`.',
          );
        }
        const wanted = await wantedBy(trx, { tenant, caller }, body);
        const flows = googleConsentsIn(trx);
        const { orgId, projectId } = wanted;
        if ((await flows.countOpen(orgId)) >= mostOpen) {
          throw new Problem(
            'too_many_requests',
            `The organization already has ${mostOpen} open consents. Try again in ten minutes.`,
          );
        }
        const { flow, ticket } = await flows.insert({ ...wanted, createdBy: caller.id });
        await audit({ orgId, projectId, action: 'cloud_account.consent_started', target: flow.id });
        const url = `${links.publicUrl}/v1/cloud-accounts/gcp/start?ticket=${ticket}`;
        return { url, expires_at: toSeconds(flow.expiresAt) };
      },
    }),
    endpoint({
      method: 'get',
      path: '/v1/cloud-accounts/gcp/start',
      operationId: 'openGoogleConsent',
      tag: 'clouds',
      summary: 'Show the consent page',
      access: 'public',
      query: Ticket,
      success: shownPage,
      others: [toGoogle],
      page: true,
      problems: ['flow_state_refused'],
      raw: (ctx) => open(ctx, check('query', Ticket, ctx.query).ticket),
    }),
    endpoint({
      method: 'post',
      path: beginConsentPath,
      operationId: 'beginGoogleConsent',
      tag: 'clouds',
      summary: 'Continue to Google',
      access: 'public',
      form: Ticket,
      success: toGoogle,
      page: true,
      problems: ['csrf_rejected', 'flow_state_refused'],
      raw: begin,
    }),
    endpoint({
      method: 'get',
      path: '/v1/cloud-accounts/gcp/callback',
      operationId: 'getGoogleCallback',
      tag: 'clouds',
      summary: 'Receive the redirect from Google',
      description:
        'You do not sign in here: the `state` and the cookie of the flow identify the browser. A code can be used once.',
      access: 'public',
      query: ConsentAnswer,
      success: shownPage,
      page: true,
      problems: ['flow_state_refused', 'credential_rejected', 'provider_unavailable'],
      raw: consentLanding(deps),
    }),
  ];
}

type Body = z.output<typeof NewConsent>;

/** Returns the values for a new account, or for an account that needs a new consent. */
async function wantedBy(trx: Transaction, asking: Asking, body: Body): Promise<Omit<NewConsentFlow, 'createdBy'>> {
  if (body.cloud_account_id === undefined) {
    return { ...(await ownerOf(trx, asking, body)), displayName: body.display_name, cloudAccountId: null };
  }
  const account = await findCloudAccount(trx, asking.tenant, body.cloud_account_id);
  const { id: cloudAccountId, orgId, projectId, displayName, authMode } = account;
  if (authMode !== 'oauth')
    throw new Problem('provider_not_supported', 'Name a cloud account whose `auth_mode` is `oauth`.');
  return { orgId, projectId, displayName, cloudAccountId };
}
