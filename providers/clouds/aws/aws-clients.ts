import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { type AwsPlace, type AwsService, awsEndpoint } from '../../../domain/clouds/aws-partitions.ts';
import { ProviderError } from '../../failure.ts';
import { type AwsCall, awsError, awsFailureOf } from './aws-failures.ts';

/** Other addresses than AWS's own, for all regions. */
export type AwsEndpoints = Partial<Record<AwsService, string>>;

export type AwsKeys = { accessKeyId: string; secretAccessKey: string; sessionToken?: string };

export type ClientSettings = ReturnType<typeof createClientSettings>;

/**
 * The same for every client of AWS. All that it would otherwise read from the environment is said here: an endpoint
 * or a key in a variable must not lead a tenant's request elsewhere, or let it be somebody else. Retries are ours.
 */
export function createClientSettings(endpoints: AwsEndpoints, timeoutMs: number) {
  // A connection that is kept may be closed by the other side just when it is used again, which nobody would retry.
  const agents = { httpAgent: new HttpAgent({ keepAlive: false }), httpsAgent: new HttpsAgent({ keepAlive: false }) };

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
 * Sends one request within the time, its whole answer included: the client's own limit ends with the first byte, and
 * what looks for an identity has none.
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

/** Without this, a client would look for keys wherever the machine may have some. */
async function noKeys(): Promise<AwsKeys> {
  throw awsError('unexpected', 'A request that is not signed was to be signed');
}
