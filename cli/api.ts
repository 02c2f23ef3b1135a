import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import { CliFailure, plain } from './failure.ts';
import { type HttpAnswer, sendJson } from './http.ts';
import type { Account } from './logins.ts';
import type { Settings } from './settings.ts';

/** The instance understood the request and rejected it. */
export class Refused extends CliFailure {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export type Api = (method: 'GET' | 'POST', path: string, body?: unknown) => Promise<Record<string, unknown>>;

/** Returns a client for the instance of an account. */
export function apiOf(
  { url, token, from }: Pick<Account, 'url' | 'token'> & { from: Account['from'] | 'input' },
  { caFile, timeoutMs }: Pick<Settings, 'caFile' | 'timeoutMs'>,
): Api {
  return async (method, path, body) => {
    const answer = await sendJson(url + path, {
      method,
      token,
      body,
      timeoutMs,
      ca: caFile === undefined ? undefined : trusted(caFile),
    });
    const members = parse(answer);
    if (members && answer.status >= 200 && answer.status < 300) return members;
    throw refusal(answer, members);
  };

  function refusal({ status }: HttpAnswer, members: Record<string, unknown> | undefined): CliFailure {
    const { code, title, detail } = members ?? {};
    if (typeof code !== 'string' || typeof title !== 'string') {
      return new CliFailure(`${url} returned ${status}, but not as Fairlead does: is the address correct?`);
    }
    if (status === 401) return new Refused(status, code, refusedToken[from](url));
    const said = typeof detail === 'string' && detail ? `${title}: ${detail}` : title;
    return new Refused(status, plain(code), `${plain(said)} (${plain(code)})`);
  }
}

const refusedToken = {
  login: (url: string) => `${url} no longer accepts the stored token: run \`fairlead login\` again`,
  environment: (url: string) => `${url} rejected FAIRLEAD_TOKEN`,
  input: (url: string) => `${url} rejected this token`,
};

/** Adds the file’s certificates to those that Node trusts, as everywhere in Fairlead. */
function trusted(file: string): string[] {
  try {
    return [...rootCertificates, readFileSync(file, 'utf8')];
  } catch {
    throw new CliFailure('The file in FAIRLEAD_CA_FILE cannot be read', 'usage');
  }
}

function parse({ text }: HttpAnswer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
