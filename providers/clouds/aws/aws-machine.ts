import { STSClient } from '@aws-sdk/client-sts';
import { trustOf } from '../../egress/guarded-fetch.ts';
import { httpsAgent, type ProxySettings } from '../../egress/proxy.ts';
import type { AwsKeys } from './aws-clients.ts';

/**
 * The identity of the machine that Fairlead runs on, from the SDK's usual chain: environment, web identity of a pod,
 * container, instance. The SDK loads it on first use and caches it until it expires. `caFile` has certificates that are
 * trusted in addition to the well-known ones. The proxy is not used for the machine's own metadata address.
 */
export function machineIdentity(caFile?: string, proxy?: ProxySettings): () => Promise<AwsKeys> {
  let client: STSClient | undefined;
  return async () => {
    client ??= new STSClient({
      region: 'us-east-1',
      requestHandler: { httpsAgent: httpsAgent(trustOf(caFile === undefined ? {} : { caFile }), proxy) },
    });
    return client.config.credentials();
  };
}
