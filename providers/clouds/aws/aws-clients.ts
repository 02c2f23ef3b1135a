import { Agent as HttpAgent } from 'node:http';
import { type AwsPlace, type AwsService, awsEndpoint } from '../../../domain/clouds/aws-partitions.ts';
import { trustOf } from '../../egress/guarded-fetch.ts';
import { httpsAgent, type ProxySettings } from '../../egress/proxy.ts';
import { ProviderError } from '../../failure.ts';
import { type AwsCall, awsError, awsFailureOf } from './aws-failures.ts';

/** Replaces the addresses of AWS, for all regions. */
export type AwsEndpoints = Partial<Record<AwsService, string>>;

export type AwsKeys = { accessKeyId: string; secretAccessKey: string; sessionToken?: string };

export type ClientSettings = ReturnType<typeof createClientSettings>;

/**
 * The settings of every AWS client. Everything that the client would read from the environment is set here. This
 * prevents an endpoint or a key in a variable from redirecting a tenant's request or giving it another identity.
 * Fairlead does its own retries.
 */
export function createClientSettings(
  endpoints: AwsEndpoints,
  timeoutMs: number,
  { caFile, proxy }: { caFile?: string | undefined; proxy?: ProxySettings | undefined } = {},
) {
  // The server may close a kept connection just when it is used again, and nothing would retry that request.
  const agents = {
    httpAgent: new HttpAgent({ keepAlive: false }),
    httpsAgent: httpsAgent({ keepAlive: false, ...trustOf(caFile === undefined ? {} : { caFile }) }, proxy),
  };

  return (service: AwsService, place: AwsPlace, keys: AwsKeys | undefined) => {
    const endpoint = awsEndpoint(service, place);
    if (!endpoint) throw awsError('address_refused', `${place.partition} has no region of that name`);
    return {
      region: place.region,
      endpoint: endpoints[service] ?? endpoint,
      maxAttempts: 1,
      retryMode: 'standard',
      useFipsEndpoint: false,
      useDualstackEndpoint: false,
      credentials: keys ?? noKeys,
      requestHandler: {
        ...agents,
        connectionTimeout: timeoutMs,
        requestTimeout: timeoutMs,
        throwOnRequestTimeout: true,
      },
    };
  };
}

export type Ask = ReturnType<typeof createAsk>;

/**
 * Sends one request with a timeout that covers the whole answer. The client's own timeout ends with the first byte, and
 * its search for an identity has no timeout.
 */
export function createAsk(timeoutMs: number) {
  return async <Answer>(
    call: AwsCall,
    signal: AbortSignal | undefined,
    send: (options: { abortSignal: AbortSignal }) => Promise<Answer>,
  ): Promise<Answer> => {
    const limit = AbortSignal.timeout(timeoutMs);
    try {
      const abortSignal = signal ? AbortSignal.any([signal, limit]) : limit;
      return await Promise.race([send({ abortSignal }), aborted(abortSignal)]);
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof ProviderError) throw error;
      throw limit.aborted ? awsError('timeout') : awsFailureOf(error, call);
    }
  };
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/** Without this, a client would look for keys anywhere on the machine. */
async function noKeys(): Promise<AwsKeys> {
  throw awsError('unexpected', 'A request that is not signed was to be signed');
}
