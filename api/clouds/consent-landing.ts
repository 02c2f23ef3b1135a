import type { Context } from 'koa';
import { z } from 'zod';
import { allCloudAccounts, type CloudAccount, keepCloudSecret } from '../../db/clouds/cloud-accounts.ts';
import { isConsentInUse } from '../../db/clouds/google-consent-ends.ts';
import { type ConsentFlow, googleConsentsIn, verifierOf } from '../../db/clouds/google-consents.ts';
import { appendAudit } from '../../db/ops/audit.ts';
import { holdOwner } from '../../db/people/projects.ts';
import { requestVerificationsOf } from '../../db/registries/registry-verifications.ts';
import type { Transaction } from '../../db/store/connection.ts';
import { askProvider } from '../http/ask-provider.ts';
import type { ApiDeps } from '../http/deps.ts';
import { html, showPage } from '../http/html-page.ts';
import { check } from '../http/input.ts';
import { Problem } from '../http/problems.ts';
import type { FrameState } from '../http/request-frame.ts';
import { endingFlowCookie, isItsBrowser } from '../people/browser.ts';
import { refuseConsent } from './consent-begin.ts';

/** The parameters that Google is known to send. Others are ignored. */
export const ConsentAnswer = z.looseObject({
  state: z.string().min(1).max(200).optional(),
  code: z.string().min(1).max(1_000).optional(),
  error: z.string().max(100).optional(),
});

type Deps = Pick<ApiDeps, 'database' | 'keyring' | 'googleConsents' | 'links' | 'logger'>;
type Consent = { email: string; refreshToken: string };
type HalfConsent = { email: string | undefined; refreshToken: string };
type Act = { actor: string; ip: string; requestId: string };

/**
 * Receives the browser that comes back from Google. Accepts it once, and only from the browser that Fairlead sent
 * there.
 */
export function consentLanding({ database, keyring, googleConsents, links, logger }: Deps) {
  return async (ctx: Context): Promise<void> => {
    const { state, code, error } = check('query', ConsentAnswer, ctx.query);
    const flow = await arrived(ctx, state);
    // Read the verifier first, because `land` deletes it.
    const pkce = verifierOf(flow, keyring);
    if (!(await database.write((trx) => googleConsentsIn(trx).land(flow)))) return refuseConsent('state_used');
    const cookie = endingFlowCookie(ctx, flow, links.publicUrl);
    if (cookie) ctx.append('set-cookie', cookie);
    if (error !== undefined) return showDeclined(ctx);
    if (code === undefined) return refuseConsent('answer_incomplete');

    const consent = await askProvider(() => googleConsents.redeemCode({ code, pkce }, discard), 'consent');
    const act = { actor: flow.createdBy, ip: ctx.ip, requestId: (ctx.state as FrameState).requestId };
    try {
      showConnected(ctx, await database.write((trx) => keep(trx, flow, consent, act)));
    } catch (failure) {
      await discard(consent);
      throw failure;
    }
  };

  async function arrived(ctx: Context, state: string | undefined): Promise<ConsentFlow> {
    if (state === undefined) return refuseConsent('state_missing');
    const flow = await googleConsentsIn(database.reader).byState(state);
    if (!flow) return refuseConsent('state_unknown');
    if (!(await isItsBrowser(ctx, { reader: database.reader, publicUrl: links.publicUrl }, flow)))
      return refuseConsent('state_foreign');
    if (flow.landedAt !== null) return refuseConsent('state_used');
    return flow.expiresAt <= Date.now() ? refuseConsent('state_expired') : flow;
  }

  async function keep(trx: Transaction, flow: ConsentFlow, consent: Consent, act: Act): Promise<CloudAccount> {
    if (!(await holdOwner(trx, flow))) {
      throw new Problem('flow_state_refused', 'The organization or project was deleted. Start again in another one.');
    }
    const { orgId, projectId, cloudAccountId } = flow;
    const account =
      cloudAccountId === null ? await make(trx, flow, consent) : await renew(trx, cloudAccountId, consent);
    await keepCloudSecret(trx, keyring, account, consent.refreshToken);
    // Google has just issued a token for this account.
    await allCloudAccounts(trx).moveStatus(account, 'active');
    await requestVerificationsOf(trx, account.id);
    const action = cloudAccountId === null ? 'cloud_account.created' : 'cloud_account.updated';
    await appendAudit(trx, {
      orgId,
      projectId,
      ...act,
      action,
      target: account.id,
      detail: { kind: 'gcp', mode: 'oauth' },
    });
    return account;
  }

  function make(trx: Transaction, flow: ConsentFlow, { email }: Consent): Promise<CloudAccount> {
    const { orgId, projectId, displayName, createdBy } = flow;
    const given = { orgId, projectId, displayName, createdBy, kind: 'gcp' as const, authMode: 'oauth' };
    return allCloudAccounts(trx).insert({ ...given, config: { email } });
  }

  async function renew(trx: Transaction, id: string, { email }: Consent): Promise<CloudAccount> {
    const accounts = allCloudAccounts(trx);
    const account = await accounts.take(id);
    if (!account) throw new Problem('flow_state_refused', 'The cloud account was deleted. Create a new one.');
    if (account.config['email'] !== email) {
      throw new Problem(
        'credential_rejected',
        `Sign in to Google as ${account.config['email']}, or create another cloud account.`,
      );
    }
    await accounts.update(id, account.revision, {}, true);
    return (await accounts.find(id)) ?? account;
  }

  /**
   * Revokes a consent that no account stores, so that it does not stay valid. If an account stores a consent of the
   * same Google account, it does nothing: Google would revoke both.
   */
  async function discard({ email, refreshToken }: HalfConsent): Promise<void> {
    if (await isConsentInUse(database.reader, email)) return;
    await googleConsents.revoke(refreshToken).catch((error: unknown) => {
      logger.warn({ err: error }, 'A consent that nobody keeps could not be ended');
    });
  }
}

function showDeclined(ctx: Context): void {
  showPage(ctx, {
    title: 'Google account not connected',
    body: html`<p>Google reports that you did not give your consent. If you want to give it, start again.</p>`,
  });
}

function showConnected(ctx: Context, { id, config }: CloudAccount): void {
  showPage(ctx, {
    title: 'Google account connected',
    body: html`<p><strong>${config['email']}</strong> has given consent. The cloud account is <code>${id}</code>. Go back to the page where you started.</p>
<p>You can revoke the consent at any time. Delete the cloud account, or remove the access in your Google account.</p>`,
  });
}
