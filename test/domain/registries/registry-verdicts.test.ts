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
  ['an accepted login makes it active', was('pending'), letIn(), was('active')],
  [
    'an accepted login makes it active again after a rejection',
    was('reauth_required', 'credentials_rejected'),
    letIn(),
    was('active'),
  ],
  [
    'an unproven permission does not count as denied',
    was('degraded', 'push_denied'),
    letIn(check('unproven', 'push_unproven')),
    was('active'),
  ],
  [
    'a denied permission degrades it',
    was('active'),
    letIn(check('allowed'), check('denied', 'push_denied')),
    was('degraded', 'push_denied'),
  ],
  [
    'a rejected login requires a new credential',
    was('active'),
    kept('credentials_rejected'),
    was('reauth_required', 'credentials_rejected'),
  ],
  [
    'a rejection by the cloud requires a new credential',
    was('pending'),
    kept('assume_role_refused'),
    was('reauth_required', 'assume_role_refused'),
  ],
  [
    'an untrusted realm requires a new approval',
    was('active'),
    kept('realm_not_trusted'),
    was('reauth_required', 'realm_not_trusted'),
  ],
  [
    'a registry that accepts any login proves no credential',
    was('pending'),
    kept('credentials_unproven'),
    was('degraded', 'credentials_unproven'),
  ],
  [
    'an allowed repository proves the credential',
    was('pending'),
    kept('credentials_unproven', check('allowed')),
    was('active'),
  ],
  ['another problem degrades an active one', was('active'), kept('tls_untrusted'), was('degraded', 'tls_untrusted')],
  ['another problem keeps a new one pending', was('pending'), kept('tls_untrusted'), was('pending', 'tls_untrusted')],
  [
    'another problem does not clear a rejection',
    was('reauth_required', 'policy'),
    kept('not_a_registry'),
    was('reauth_required', 'policy'),
  ],
  ['an outage changes no status', was('active'), kept('unavailable'), was('active')],
  ['an outage keeps the reason', was('degraded', 'push_denied'), kept('timeout'), was('degraded', 'push_denied')],
  ['an outage keeps a rejection', was('reauth_required', 'policy'), kept('network'), was('reauth_required', 'policy')],
  ['an outage keeps a new one pending, with the reason', was('pending'), kept('network'), was('pending', 'network')],
  ['a wrong clock at Fairlead changes nothing', was('active'), kept('clock_skew'), was('active')],
])('%s', (_, before, found, after) => {
  expect(verdictOn(before, found)).toEqual(after);
});

test('does not take a long or base64 password for a cloud token', () => {
  const long = Buffer.from('a password of somebody who likes long passwords').toString('base64');
  for (const password of ['dckr_pat_abc', 'glpat-abc', long, `{"payload":"in clear"}`, '']) {
    expect(shortLivedLogin('aws', password)).toBeUndefined();
  }
});
