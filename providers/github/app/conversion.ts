import { Octokit } from '@octokit/core';
import { ProviderError } from '../../failure.ts';
import { idIn, optionsOf, send, type Wire } from '../client.ts';

/** A new App as GitHub returns it once. Its secrets cannot be read again. */
export type ConvertedApp = {
  appId: number;
  slug: string;
  name: string;
  clientId: string;
  clientSecret: string;
  webhookSecret: string | undefined;
  /** PEM, PKCS#1. */
  privateKey: string;
  htmlUrl: string;
  owner: { id: number; login: string; type: string };
  permissions: Record<string, string>;
  events: string[];
};

/**
 * Exchanges a manifest's code for the App. This needs no credentials other than the code. GitHub accepts each code
 * once, within an hour, and returns 404 for any other.
 * https://docs.github.com/en/rest/apps/apps#create-a-github-app-from-a-manifest
 */
export async function convertManifest(wire: Wire, code: string): Promise<ConvertedApp> {
  const { request } = new Octokit(optionsOf(wire));
  try {
    return await send(
      { as: 'nobody', method: 'POST', secrets: [code], now: wire.now },
      () => request('POST /app-manifests/{code}/conversions', { code }),
      (data) => {
        const { pem, client_id: clientId, client_secret: clientSecret, slug, owner } = data;
        for (const text of [pem, clientId, clientSecret, slug]) {
          if (typeof text !== 'string' || text === '') throw new TypeError('not whole');
        }
        return {
          appId: idIn(data),
          slug: slug ?? '',
          name: data.name,
          clientId,
          clientSecret,
          webhookSecret: data.webhook_secret ?? undefined,
          privateKey: pem,
          htmlUrl: data.html_url,
          owner: {
            id: idIn(owner),
            login: ('login' in owner ? owner.login : owner.slug) ?? '',
            type: 'type' in owner ? owner.type : 'Enterprise',
          },
          permissions: { ...data.permissions } as Record<string, string>,
          events: data.events,
        };
      },
    );
  } catch (error) {
    throw error instanceof ProviderError ? ofConversion(error) : error;
  }
}

function ofConversion(error: ProviderError): ProviderError {
  const { status, message, provider } = error;
  if (status === 404 || status === 422)
    return new ProviderError({ provider, status, message, code: 'manifest_code_refused' });
  // GitHub returned this for valid codes for a day in September 2025; the problem went away without a change here.
  if (status === 401) return new ProviderError({ provider, status, message, code: 'conversion_unauthorized' });
  return error;
}
