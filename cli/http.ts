import { type IncomingMessage, request as plainRequest, type RequestOptions } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { CliFailure, plain } from './failure.ts';

export type HttpAnswer = { status: number; text: string };
export type JsonRequest = {
  method: string;
  token: string;
  body: unknown;
  timeoutMs: number;
  ca: string[] | undefined;
};

const answerLimit = 4 * 1024 * 1024;
const pauseMs = 300;
/** A retry after these errors is safe: it creates at most one more lease. */
const connectionErrors = /^(ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|EHOSTUNREACH)$/;
const certificateErrors = /CERT|SIGNATURE|ISSUER|ALTNAME/;

/**
 * Sends and receives JSON with Node alone, so that the commands need no packages. Follows no redirect, because it would
 * send the token to another address. Retries once if the connection fails or the instance returns 503.
 */
export async function sendJson(url: string, request: JsonRequest): Promise<HttpAnswer> {
  const deadline = AbortSignal.timeout(request.timeoutMs);
  try {
    const first = await once(url, request, deadline).catch((error: NodeJS.ErrnoException) => {
      if (connectionErrors.test(error.code ?? '')) return undefined;
      throw error;
    });
    if (first && first.status !== 503) return first;
    await sleep(pauseMs, undefined, { signal: deadline });
    return await once(url, request, deadline);
  } catch (error) {
    throw deadline.aborted
      ? new CliFailure(`${url} did not respond within ${request.timeoutMs / 1000} s`)
      : unreachable(url, error as NodeJS.ErrnoException);
  }
}

function unreachable(url: string, { code = '', message }: NodeJS.ErrnoException): CliFailure {
  const { origin } = new URL(url);
  if (certificateErrors.test(code)) {
    const advice = 'set FAIRLEAD_CA_FILE to the certificate file of its authority';
    return new CliFailure(`${origin} has a certificate that is not trusted (${code}): ${advice}`);
  }
  return new CliFailure(`${origin} cannot be reached: ${code || plain(message)}`);
}

function once(url: string, { method, token, body, ca }: JsonRequest, signal: AbortSignal): Promise<HttpAnswer> {
  const sent = body === undefined ? undefined : JSON.stringify(body);
  const options: RequestOptions & { ca?: string[] } = {
    method,
    signal,
    // The process ends after one request.
    agent: false,
    headers: {
      accept: 'application/json',
      authorization: `Bearer ${token}`,
      'user-agent': 'fairlead-cli',
      ...(sent !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(sent) }),
    },
    ...(ca && { ca }),
  };
  return new Promise((resolve, reject) => {
    const start = url.startsWith('https:') ? tlsRequest : plainRequest;
    const request = start(url, options, (response) => {
      readAll(response).then((text) => resolve({ status: response.statusCode ?? 0, text }), reject);
    });
    request.once('error', reject);
    request.end(sent);
  });
}

async function readAll(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response) {
    length += chunk.length;
    if (length > answerLimit) throw new Error('the response is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
