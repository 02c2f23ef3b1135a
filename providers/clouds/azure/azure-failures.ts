import type { AzureErrorCode } from '../../../domain/ops/provider-failures.ts';
import { ProviderError } from '../../failure.ts';
import { type Cloud, failure, outageOf } from '../outages.ts';
import type { Exchange } from '../watched-fetch.ts';

const entra: Cloud = { provider: 'azure', name: 'Microsoft Entra' };
const registry: Cloud = { provider: 'azure', name: 'The registry' };

type Refusal = { code: AzureErrorCode; message: string; settling?: boolean };

const noTenant: Refusal = { code: 'tenant_not_found', message: 'Entra knows no such tenant in this cloud' };
const noTrust: Refusal = {
  code: 'federation_refused',
  message: 'No federated credential of the app fits: its issuer, subject or audience differs from this Fairlead’s',
  settling: true,
};
const byPolicy: Refusal = { code: 'policy', message: 'A conditional access policy of the tenant forbids it' };
const failing: Refusal = { code: 'unavailable', message: 'Microsoft Entra failed for a moment' };

/** https://learn.microsoft.com/en-us/entra/identity-platform/reference-error-codes */
const refusals: Record<number, Refusal> = {
  7000215: { code: 'client_secret_rejected', message: 'Entra does not accept the client secret', settling: true },
  7000222: { code: 'client_secret_expired', message: 'The client secret has run out' },
  90002: noTenant,
  900021: noTenant,
  900023: noTenant,
  700016: { code: 'app_not_found', message: 'The tenant has no app with this client id', settling: true },
  7000112: { code: 'app_not_found', message: 'The app is disabled' },
  7000229: { code: 'app_not_found', message: 'The app has no service principal in the tenant', settling: true },
  70021: noTrust,
  700211: noTrust,
  700212: noTrust,
  700213: noTrust,
  70025: noTrust,
  700027: { code: 'federation_refused', message: 'Entra does not accept the signature of this Fairlead’s token' },
  // Entra tried to fetch our keys and got no answer.
  50166: { code: 'issuer_unreachable', message: 'Entra could not read the keys of this Fairlead' },
  501661: { code: 'issuer_unreachable', message: 'Entra could not read the keys of this Fairlead' },
  700024: { code: 'clock_skew', message: 'Entra refuses the token because the clock of this machine is wrong' },
  500011: { code: 'audience_unknown', message: 'The tenant knows no service for registries' },
  53003: byPolicy,
  530003: byPolicy,
  50196: { code: 'rate_limited', message: 'Entra asks for a pause: the app asks for tokens in a loop' },
  90033: failing,
  90012: failing,
};

/** Entra's error numbers decide. Its text contains names of the tenant and is never repeated. */
export function entraFailure(seen: Exchange | undefined, now: number): ProviderError {
  if (!seen) return new ProviderError({ provider: 'azure', code: 'unexpected', message: 'Entra was not asked' });
  const number = entraNumber(seen);
  const known = number === undefined ? undefined : refusals[number];
  // Entra returns some of these with status 500.
  if (!known) {
    const outage = outageOf(entra, seen, now);
    if (outage) return outage;
  }
  const { code, message, settling } = known ?? { code: 'unexpected', message: 'Entra gave no token' };
  const named = number === undefined ? message : `${message} (AADSTS${number})`;
  return failure(entra, code, named, seen, now, settling === undefined ? {} : { settling });
}

export function entraNumber({ body }: Exchange): number | undefined {
  const { error_codes: numbers } = body;
  const [first] = Array.isArray(numbers) ? numbers : [];
  return typeof first === 'number' ? first : undefined;
}

/** With "RBAC registry + ABAC repository permissions", Azure ignores the usual roles without an error. */
export const roleAdvice =
  'it needs AcrPull or AcrPush there; on a registry with ABAC repository permissions those do not count, and it needs ' +
  'Container Registry Repository Reader or Writer';

/** A failure of one of the registry's own two endpoints. */
export function acrFailure(seen: Exchange | undefined, now: number): ProviderError {
  if (!seen) return new ProviderError({ provider: 'azure', code: 'unexpected', message: 'The registry was not asked' });
  const outage = outageOf(registry, seen, now);
  if (outage) return outage;
  const { code, message, settling } = acrRefusal(seen);
  return failure(registry, code, message, seen, now, settling === undefined ? {} : { settling });
}

function acrRefusal({ status, body }: Exchange): Refusal {
  switch (status) {
    case 401:
      return {
        code: 'registry_role_missing',
        message: `The app has no role on the registry: ${roleAdvice}`,
        settling: true,
      };
    case 403:
      if (/client with IP|firewall/i.test(said(body))) {
        const message = 'The registry’s network rules do not let this Fairlead’s address in';
        return { code: 'network_rules', message };
      }
      return { code: 'registry_role_missing', message: `The app may not do this on the registry: ${roleAdvice}` };
    case 404:
      return { code: 'registry_not_found', message: 'There is no such registry any more' };
    case 400:
      return { code: 'validation', message: 'The registry does not accept the request' };
    default:
      return { code: 'unexpected', message: 'The registry answered something unexpected' };
  }
}

function said({ errors }: Record<string, unknown>): string {
  const [first] = Array.isArray(errors) ? errors : [];
  return String((first as { message?: unknown } | undefined)?.message ?? '');
}
