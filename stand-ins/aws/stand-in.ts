import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { registryActions } from './registry-tokens.ts';
import { securityTokenActions } from './security-token.ts';
import { isSignedWith, type Scope, scopeOf, signedAt } from './signature.ts';
import { createState, type Identity, newKeys, nowIn, Refused, type Role } from './state.ts';
import { trustIn } from './trust-policy.ts';

export type { Identity, Role } from './state.ts';
export type AwsStandIn = Awaited<ReturnType<typeof startAws>>;

export type LedgerEntry = {
  /** `AssumeRole`, `GetAuthorizationToken` … */
  action: string;
  /** The region and service of the signature, or nothing without a signature. */
  scope: Scope | undefined;
  /** Only for STS. */
  fields: Record<string, string>;
  status: number;
};

/**
 * - `refuse`: this code, instead of what would have been answered
 * - `raw`: this text, as a proxy would send it
 * - `hang`, `hang_body`: no answer, or only its beginning
 * - `reset`: the connection breaks
 */
export type Fault = {
  action: string;
  /** How often the fault occurs. Without it, the fault stays until it is cleared. */
  times?: number;
  /** How many requests are served normally before it. */
  skip?: number;
  kind: 'refuse' | 'raw' | 'hang' | 'hang_body' | 'reset';
  status?: number;
  code?: string;
  message?: string;
  headers?: Record<string, string>;
};

/** The largest difference of clocks before AWS rejects a signature. */
const clockToleranceMs = 5 * 60_000;

/**
 * Simulates STS, ECR and ECR Public of all regions at one address. It checks signatures, keys, sessions and trust
 * policies. Tokens are valid for twelve hours. Features that Fairlead does not use are missing. With a certificate (PEM)
 * it uses https.
 */
export async function startAws(certificate?: { cert: string; key: string }) {
  const state = createState();
  const ledger: LedgerEntry[] = [];
  const faults: (Fault & { left: number; toSkip: number })[] = [];
  const serve = (request: IncomingMessage, response: ServerResponse) => {
    handle(request, response).catch((error: unknown) => {
      console.error(error);
      response.destroy();
    });
  };
  const server = certificate ? createSecureServer(certificate, serve) : createServer(serve);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `${certificate ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    url,
    endpoints: { sts: url, ecr: url, ecrPublic: url },
    state,
    ledger,

    user({ accountId = '111122223333', name = 'fairlead', allowed = ['*'] } = {}): Identity {
      const arn = `arn:aws:iam::${accountId}:user/${name}`;
      const identity: Identity = { ...newKeys('AKIA'), accountId, arn, active: true, allowed };
      state.identities.set(identity.accessKeyId, identity);
      return identity;
    },

    role: addRole,

    /** Adds a role with this trust policy, as a person pastes it. */
    roleTrusting: (arn: string, policy: string): Role => addRole({ arn, ...trustIn(policy) }),

    fail(fault: Fault): void {
      faults.push({ ...fault, left: fault.times ?? Number.POSITIVE_INFINITY, toSkip: fault.skip ?? 0 });
    },

    heal(): void {
      faults.length = 0;
    },

    async stop(): Promise<void> {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };

  function addRole(wanted: Partial<Role> & { arn: string }): Role {
    const role: Role = { trusts: [], externalId: '', tokens: [], allowed: ['*'], maxSeconds: 3600, ...wanted };
    state.roles.set(role.arn, role);
    return role;
  }

  function faultFor(action: string): Fault | undefined {
    const fault = faults.find((one) => one.left > 0 && one.action === action);
    if (!fault) return undefined;
    if (fault.toSkip > 0) {
      fault.toSkip -= 1;
      return undefined;
    }
    fault.left -= 1;
    return fault;
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readAll(request);
    const target = request.headers['x-amz-target'];
    const fields = new URLSearchParams(target === undefined ? body : '');
    const scope = scopeOf(request.headers);
    const action = String(target ?? fields.get('Action') ?? '').replace(/^.*\./, '');
    const entry: LedgerEntry = { action, scope, fields: Object.fromEntries(fields), status: 0 };
    ledger.push(entry);

    const fault = faultFor(action);
    if (fault?.kind === 'reset') return void request.socket.destroy();
    if (fault?.kind === 'hang') return;
    if (fault?.kind === 'hang_body') {
      response.writeHead(200, { 'content-length': '5000' });
      return void response.write('<');
    }
    entry.status = fault?.status ?? 400;
    if (fault?.kind === 'raw') {
      response.writeHead(entry.status, { 'content-type': 'text/html', ...fault.headers }).end(fault.message);
      return;
    }

    const answer = target === undefined ? answerForm : answerJson;
    try {
      if (fault) throw new Refused(entry.status, fault.code ?? 'InternalFailure', fault.message ?? '');
      entry.status = 200;
      answer(response, 200, target === undefined ? askSts() : askRegistry(), {});
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      entry.status = error.status;
      const refuse = target === undefined ? refuseForm : refuseJson;
      refuse(response, error, fault?.headers ?? {});
    }

    function askSts(): string {
      const run = securityTokenActions[action];
      if (!run) throw new Refused(400, 'InvalidAction', `Could not find operation ${action}`);
      const inside = run(state, fields, () => caller('InvalidClientTokenId', 403, 'SignatureDoesNotMatch'));
      return `<${action}Response xmlns="${sts}"><${action}Result>${inside}</${action}Result></${action}Response>`;
    }

    function askRegistry(): string {
      const run = registryActions[String(target)];
      if (!run) throw new Refused(400, 'UnknownOperationException', '');
      const identity = caller('UnrecognizedClientException', 400, 'InvalidSignatureException');
      return JSON.stringify(run(state, identity, scope as Scope));
    }

    function caller(unknown: string, status: number, wrong: string): Identity {
      const identity = scope && state.identities.get(scope.accessKeyId);
      const token = request.headers['x-amz-security-token'];
      if (!identity?.active || identity.sessionToken !== token) {
        throw new Refused(status, unknown, 'The security token included in the request is invalid.');
      }
      if (identity.expiresAt !== undefined && identity.expiresAt <= nowIn(state)) {
        const code = target === undefined ? 'ExpiredToken' : 'ExpiredTokenException';
        throw new Refused(status, code, 'The security token included in the request is expired');
      }
      const late = nowIn(state) - signedAt(request.headers);
      if (Math.abs(late) > clockToleranceMs) {
        const how = late > 0 ? 'Signature expired' : 'Signature not yet current';
        throw new Refused(status, wrong, `${how}: ${request.headers['x-amz-date']} is not within 5 min.`);
      }
      if (!isSignedWith(identity.secretAccessKey, request.headers, body)) {
        // The real response repeats the request with its headers.
        throw new Refused(status, wrong, `The signature we calculated does not match. x-amz-security-token:${token}`);
      }
      return identity;
    }
  }
}

const sts = 'https://sts.amazonaws.com/doc/2011-06-15/';

function answerForm(response: ServerResponse, status: number, body: string, headers: Record<string, string>): void {
  response.writeHead(status, { 'content-type': 'text/xml', ...headers }).end(body);
}

function answerJson(response: ServerResponse, status: number, body: string, headers: Record<string, string>): void {
  response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1', ...headers }).end(body);
}

function refuseForm(response: ServerResponse, error: Refused, headers: Record<string, string>): void {
  const type = error.status < 500 ? 'Sender' : 'Receiver';
  const inside = `<Type>${type}</Type><Code>${error.code}</Code><Message>${escapeXml(error.message)}</Message>`;
  answerForm(response, error.status, `<ErrorResponse xmlns="${sts}"><Error>${inside}</Error></ErrorResponse>`, headers);
}

function refuseJson(response: ServerResponse, error: Refused, headers: Record<string, string>): void {
  answerJson(response, error.status, JSON.stringify({ __type: error.code, message: error.message }), headers);
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

async function readAll(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
