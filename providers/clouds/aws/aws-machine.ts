import { STSClient } from '@aws-sdk/client-sts';
import type { AwsKeys } from './aws-clients.ts';

/**
 * The identity of the machine that Fairlead runs on, from the SDK's usual chain: environment, web identity of a pod,
 * container, instance. The SDK loads it on first use and caches it until it expires.
 */
export function machineIdentity(): () => Promise<AwsKeys> {
  let client: STSClient | undefined;
  return async () => {
    client ??= new STSClient({ region: 'us-east-1' });
    return client.config.credentials();
  };
}
