import { expect, test } from 'vitest';
import type { IntegrationStatus } from '../../../domain/integrations/integration-status.ts';
import { type RegistryFindings, verdictOn } from '../../../domain/registries/registry-verdicts.ts';
import { shortLivedLogin } from '../../../domain/registries/short-lived-logins.ts';

const was = (status: IntegrationStatus, reason: string | null = null) => ({ status, reason });
const check = (outcome: 'allowed' | 'denied' | 'unproven', code?: string): RegistryFindings['checks'][number] => ({
  repository: 'acme/shop',
  action: 'push',
  outcome,
  ...(code && { code }),
});
const letIn = (...checks: RegistryFindings['checks']): RegistryFindings => ({ login: { ok: true }, checks });
const kept = (code: string, ...checks: RegistryFindings['checks']): RegistryFindings => ({
  login: { ok: false, code, message: 'No' },
  checks,
});

test.each<[string, ReturnType<typeof was>, RegistryFindings, ReturnType<typeof was>]>([
  ['what is let in is active', was('pending'), letIn(), was('active')],
  ['and again after it was refused', was('reauth_required', 'credentials_rejected'), letIn(), was('active')],
  [
    'what is not proven is not denied',
    was('degraded', 'push_denied'),
    letIn(check('unproven', 'push_unproven')),
    was('active'),
  ],
  [
    'what is denied is said',
    was('active'),
    letIn(check('allowed'), check('denied', 'push_denied')),
    was('degraded', 'push_denied'),
  ],
  ['a refusal ends it', was('active'), kept('credentials_rejected'), was('reauth_required', 'credentials_rejected')],
  [
    'and so does one of a cloud',
    was('pending'),
    kept('assume_role_refused'),
    was('reauth_required', 'assume_role_refused'),
  ],
  ['another realm ends it', was('active'), kept('realm_not_trusted'), was('reauth_required', 'realm_not_trusted')],
  [
    'an open door proves nothing',
    was('pending'),
    kept('credentials_unproven'),
    was('degraded', 'credentials_unproven'),
  ],
  ['a repository behind it does', was('pending'), kept('credentials_unproven', check('allowed')), was('active')],
  ['what is wrong about it does not stop it', was('active'), kept('tls_untrusted'), was('degraded', 'tls_untrusted')],
  ['and keeps one from beginning', was('pending'), kept('tls_untrusted'), was('pending', 'tls_untrusted')],
  ['nor does it heal one', was('reauth_required', 'policy'), kept('not_a_registry'), was('reauth_required', 'policy')],
  ['an outage changes nothing', was('active'), kept('unavailable'), was('active')],
  ['not even the reason', was('degraded', 'push_denied'), kept('timeout'), was('degraded', 'push_denied')],
  ['nor what was refused', was('reauth_required', 'policy'), kept('network'), was('reauth_required', 'policy')],
  ['and is why one has not begun', was('pending'), kept('network'), was('pending', 'network')],
  ['what is ours to mend is nobody else’s fault', was('active'), kept('clock_skew'), was('active')],
])('%s', (_, before, found, after) => {
  expect(verdictOn(before, found)).toEqual(after);
});

test('a password is no token of a cloud because it is long, or in base64', () => {
  const long = Buffer.from('a password of somebody who likes long passwords').toString('base64');
  for (const password of ['dckr_pat_abc', 'glpat-abc', long, `{"payload":"in clear"}`, '']) {
    expect(shortLivedLogin('aws', password)).toBeUndefined();
  }
});
