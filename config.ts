import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { parse as parseConnectionString } from 'pg-connection-string';
import { z } from 'zod';
import { type AllowedHost, parseAllowedHosts } from './domain/connect/allowed-hosts.ts';
import { looksPublic, type WebhookMode, webhookModes } from './domain/deliveries/webhook-address.ts';
import { githubHost } from './domain/github/github-host.ts';
import { bearerToken } from './domain/ids.ts';
import { retentionDays, retentionOf } from './domain/ops/retention.ts';
import { guessable, guessableKey } from './domain/secrets/guessable-secret.ts';
import { keyFingerprint } from './domain/secrets/key-fingerprint.ts';
import { hasOuterWhitespace, tidyPrivateKey, withoutOuterLineBreaks } from './domain/secrets/pasted-secret.ts';

// Every setting. Only this file reads the environment. It reports all mistakes at once and never prints a value.

const wholeNumber = (least: number, most: number) => {
  const error = `must be a whole number from ${least} to ${most}`;
  return z.coerce.number({ error }).int({ error }).min(least, { error }).max(most, { error });
};
const port = wholeNumber(0, 65_535);
const seconds = wholeNumber(1, 86_400);
const httpUrl = z.string().refine((text) => /^https?:\/\//.test(text) && URL.canParse(text), 'must be an http(s) URL');
const proxyUrl = z
  .string()
  .overwrite((text) => (text.includes('://') ? text : `http://${text}`))
  .refine(isProxy, 'must be the http:// or https:// URL of a proxy, with special characters in the password as %XX');
const databaseUrl = z.string().refine((text) => /^postgres(ql)?:\/\//.test(text) && isParsable(text), {
  error: 'must be a postgres:// URL, with special characters in the password written as %XX',
});
const perMinute = wholeNumber(0, 1_000_000);
const days = ({ least, most, usual }: { least: number; most: number; usual: number }) =>
  wholeNumber(least, most).default(usual);
const flag = z.enum(['true', 'false', '1', '0']).transform((text) => text === 'true' || text === '1');
const file = z.string().refine((name) => existsSync(name), 'names a file that does not exist');
const list = z.string().transform((text) =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean),
);

const newKey = `node -p "'k1:'+crypto.randomBytes(32).toString('base64')"`;
const newSecret = `node -p "crypto.randomBytes(32).toString('hex')"`;

/** A secret as a file or a shell contains it. */
const pastedSecret = z
  .string()
  .overwrite(withoutOuterLineBreaks)
  .refine((text) => !hasOuterWhitespace(text), 'must not begin or end with whitespace');

/** A secret that the operator chooses. Reports why it is easy to guess, never the secret. */
const chosenSecret = (least: number, form = pastedSecret) =>
  form.superRefine((text, context) => {
    const why = guessable(text, { least });
    if (why) context.addIssue(`is easy to guess: it ${why}. Generate one with: ${newSecret}`);
  });

const bearerSecret = pastedSecret.regex(
  bearerToken,
  'must contain only letters, digits and - . _ ~ + / with optional = at the end, because clients send it as a Bearer token',
);

const masterKeys = z.string().transform((text, context) => {
  const keys = text.split(',').map((part) => {
    const [id = '', encoded = ''] = part.trim().split(':');
    return { id, key: new Uint8Array(Buffer.from(encoded, 'base64')) };
  });
  const bad = keys.some(({ id, key }) => !/^[a-z0-9_-]{1,32}$/i.test(id) || key.length !== 32);
  const twice = new Set(keys.map(({ id }) => id)).size !== keys.length;
  if (bad || twice) {
    context.addIssue(
      'must be one or more id:base64 pairs with different ids and 32 bytes each; the first one seals new secrets',
    );
    return z.NEVER;
  }
  for (const { id, key } of keys) {
    const why = guessableKey(key);
    if (why) context.addIssue(`the key ${id} is easy to guess: it ${why}. Generate one with: ${newKey}`);
  }
  return keys;
});

const allowedHostList = z.string().transform((text, context) => {
  try {
    return parseAllowedHosts(text);
  } catch (error) {
    context.addIssue((error as Error).message);
    return z.NEVER;
  }
});

const Environment = z.object({
  FAIRLEAD_HOST: z.string().default('127.0.0.1'),
  FAIRLEAD_PORT: port.default(8080),
  FAIRLEAD_PUBLIC_URL: httpUrl
    .refine(
      isOrigin,
      'must have no path, query or user name: Fairlead serves its pages and webhooks at the root of a host',
    )
    .optional(),
  FAIRLEAD_TRUST_PROXY: flag.default(false),
  FAIRLEAD_CA_FILE: file.optional(),
  HTTPS_PROXY: proxyUrl.optional(),
  NO_PROXY: z.string().optional(),
  FAIRLEAD_DATA_DIR: z.string().default('data'),
  DATABASE_URL: databaseUrl.optional(),
  TEMPORAL_ADDRESS: z.string().refine(isHostAndPort, 'must be host:port, with a port from 1 to 65535').optional(),
  TEMPORAL_NAMESPACE: z.string().default('default'),
  TEMPORAL_TLS: flag.optional(),
  TEMPORAL_TLS_CA_FILE: file.optional(),
  TEMPORAL_TLS_CERT_FILE: file.optional(),
  TEMPORAL_TLS_KEY_FILE: file.optional(),
  TEMPORAL_API_KEY: pastedSecret.optional(),
  TEMPORAL_UI_URL: httpUrl.optional(),
  TEMPORAL_CLI_PATH: z.string().optional(),
  FAIRLEAD_TEMPORAL_PORT: port.default(7233),
  FAIRLEAD_TEMPORAL_UI_PORT: port.default(8233),
  FAIRLEAD_MASTER_KEYS: masterKeys.optional(),
  FAIRLEAD_ADMIN_TOKEN: chosenSecret(32, bearerSecret).optional(),
  FAIRLEAD_ALLOWED_HOSTS: allowedHostList.default([]),
  FAIRLEAD_CORS_ORIGINS: list.default([]),
  FAIRLEAD_CALLER_REQUESTS_PER_MINUTE: perMinute.default(6_000),
  FAIRLEAD_PUBLIC_REQUESTS_PER_MINUTE: perMinute.default(300),
  FAIRLEAD_FAILURES_PER_MINUTE: perMinute.default(60),
  FAIRLEAD_WEBHOOK_MODE: z.enum(webhookModes).optional(),
  FAIRLEAD_WEBHOOK_URL: httpUrl.optional(),
  FAIRLEAD_WEBHOOK_BODY_DAYS: days(retentionDays.body),
  FAIRLEAD_HISTORY_DAYS: days(retentionDays.history),
  FAIRLEAD_METRICS_HOST: z.string().default('127.0.0.1'),
  FAIRLEAD_METRICS_PORT: port.optional(),
  FAIRLEAD_METRICS_TOKEN: chosenSecret(16, bearerSecret).optional(),
  FAIRLEAD_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  FAIRLEAD_SHUTDOWN_SECONDS: seconds.default(25),
  FAIRLEAD_AWS_IDENTITY: z.enum(['none', 'assume', 'lend']).default('none'),
  GOOGLE_OAUTH_CLIENT_ID: z.string().optional(),
  GOOGLE_OAUTH_CLIENT_SECRET: pastedSecret.optional(),
  GITHUB_APP_ID: wholeNumber(1, Number.MAX_SAFE_INTEGER).optional(),
  GITHUB_APP_PRIVATE_KEY: z.string().optional(),
  GITHUB_APP_PRIVATE_KEY_FILE: file.optional(),
  GITHUB_APP_WEBHOOK_SECRET: chosenSecret(16).optional(),
  GITHUB_APP_CLIENT_ID: z.string().optional(),
  GITHUB_APP_CLIENT_SECRET: pastedSecret.optional(),
  GITHUB_APP_SLUG: z.string().optional(),
  GITHUB_HOST_URL: httpUrl.default('https://github.com'),
  GITHUB_API_URL: httpUrl.optional(),
});

type Settings = z.infer<typeof Environment>;

export type Config = ReturnType<typeof loadConfig>;
export type TemporalSettings = Config['temporal'];

export class ConfigError extends Error {
  override name = 'ConfigError';
}

/** Reads `.env` of the working directory if it exists. Variables that are already set win. */
export function readEnvFile(): void {
  if (existsSync('.env')) process.loadEnvFile('.env');
}

/** Returns the variables that our own Temporal server may see. None of them is a setting or a secret of Fairlead. */
export function programEnvironment(env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  const needed = /^(PATH|HOME|USER|LOGNAME|TMPDIR|TMP|TEMP|TZ|LANG|LC_\w+|XDG_\w+|SYSTEMROOT|USERPROFILE|APPDATA)$/i;
  return Object.fromEntries(Object.entries(env).filter(([name]) => needed.test(name)));
}

export function loadConfig(env: NodeJS.ProcessEnv = process.env) {
  // An empty variable counts as absent.
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value?.trim()));
  const parsed = Environment.safeParse({ ...given, ...lowerCaseProxies(given) });
  const problems = parsed.success
    ? inconsistencies(parsed.data)
    : parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  if (!parsed.success || problems.length > 0) {
    throw new ConfigError(`The configuration is not valid:\n${problems.map((text) => `  - ${text}`).join('\n')}`);
  }
  const settings = parsed.data;
  return {
    host: settings.FAIRLEAD_HOST,
    port: settings.FAIRLEAD_PORT,
    publicUrl: publicUrlOf(settings),
    trustProxy: settings.FAIRLEAD_TRUST_PROXY,
    caFile: settings.FAIRLEAD_CA_FILE,
    /** The proxy for https requests to providers. */
    proxy: settings.HTTPS_PROXY ? { url: settings.HTTPS_PROXY, noProxy: settings.NO_PROXY ?? '' } : undefined,
    dataDir: settings.FAIRLEAD_DATA_DIR,
    databaseUrl: settings.DATABASE_URL,
    masterKeys: settings.FAIRLEAD_MASTER_KEYS,
    adminToken: settings.FAIRLEAD_ADMIN_TOKEN,
    allowedHosts: allowedHostsOf(settings),
    corsOrigins: settings.FAIRLEAD_CORS_ORIGINS,
    rateLimits: {
      callerPerMinute: settings.FAIRLEAD_CALLER_REQUESTS_PER_MINUTE,
      publicPerMinute: settings.FAIRLEAD_PUBLIC_REQUESTS_PER_MINUTE,
      failuresPerMinute: settings.FAIRLEAD_FAILURES_PER_MINUTE,
    },
    webhooks: webhooksOf(settings),
    retention: retentionOf({ body: settings.FAIRLEAD_WEBHOOK_BODY_DAYS, history: settings.FAIRLEAD_HISTORY_DAYS }),
    /** Where this process serves its metrics. Without a port, the usual one, or a free one if that is taken. */
    metrics: {
      host: settings.FAIRLEAD_METRICS_HOST,
      port: settings.FAIRLEAD_METRICS_PORT,
      token: settings.FAIRLEAD_METRICS_TOKEN,
    },
    logLevel: settings.FAIRLEAD_LOG_LEVEL,
    shutdownMs: settings.FAIRLEAD_SHUTDOWN_SECONDS * 1000,
    // The process gets a little more time than the requests in flight.
    stopLimitMs: settings.FAIRLEAD_SHUTDOWN_SECONDS * 1000 + 5_000,
    temporal: {
      address: settings.TEMPORAL_ADDRESS,
      namespace: settings.TEMPORAL_NAMESPACE,
      tls: tlsOf(settings),
      apiKey: settings.TEMPORAL_API_KEY,
      uiUrl: settings.TEMPORAL_UI_URL,
      cliPath: settings.TEMPORAL_CLI_PATH,
      port: settings.FAIRLEAD_TEMPORAL_PORT,
      uiPort: settings.FAIRLEAD_TEMPORAL_UI_PORT,
    },
    clouds: {
      /**
       * How Fairlead uses the AWS identity of its machine: `none` not at all; `assume` to assume the roles of cloud
       * accounts; `lend` also as the access of any tenant that asks for it, so only for an instance with one tenant.
       */
      awsIdentity: settings.FAIRLEAD_AWS_IDENTITY,
      google: googleOauth(settings),
    },
    /** The GitHub host for requests that name none. */
    githubHost: githubHostOf(settings),
    github: operatorAppOf(settings),
  };
}

/** Returns the demo's settings. Of the environment they take only where Temporal's CLI is and how much to log. */
export function demoConfig(settings: Record<string, string>): Config {
  const { TEMPORAL_CLI_PATH, FAIRLEAD_LOG_LEVEL = 'warn' } = process.env;
  return loadConfig({ TEMPORAL_CLI_PATH, FAIRLEAD_LOG_LEVEL, ...settings });
}

function googleOauth({ GOOGLE_OAUTH_CLIENT_ID: clientId, GOOGLE_OAUTH_CLIENT_SECRET: clientSecret }: Settings) {
  return clientId && clientSecret ? { clientId, clientSecret } : undefined;
}

function inconsistencies(settings: Settings): string[] {
  const problems: string[] = [];
  const privateKey = settings.GITHUB_APP_PRIVATE_KEY ?? settings.GITHUB_APP_PRIVATE_KEY_FILE;
  const anyOfApp =
    privateKey ?? settings.GITHUB_APP_WEBHOOK_SECRET ?? settings.GITHUB_APP_CLIENT_ID ?? settings.GITHUB_APP_SLUG;
  if (settings.GITHUB_APP_ID === undefined && anyOfApp !== undefined) {
    problems.push('GITHUB_APP_ID: is missing, but other settings of the GitHub App are set');
  }
  if (settings.GITHUB_APP_ID !== undefined) {
    if (!privateKey) problems.push('GITHUB_APP_PRIVATE_KEY: is missing (or GITHUB_APP_PRIVATE_KEY_FILE)');
    else if (keyFingerprint(privateKeyOf(settings)) === undefined) {
      const name = settings.GITHUB_APP_PRIVATE_KEY ? 'GITHUB_APP_PRIVATE_KEY' : 'GITHUB_APP_PRIVATE_KEY_FILE';
      problems.push(`${name}: must be an RSA private key in PEM, from -----BEGIN to -----END`);
    }
    if (!settings.GITHUB_APP_WEBHOOK_SECRET) problems.push('GITHUB_APP_WEBHOOK_SECRET: is missing');
    if (!settings.GITHUB_APP_SLUG) problems.push('GITHUB_APP_SLUG: is missing (the last part of the GitHub App’s URL)');
  }
  if (Boolean(settings.GOOGLE_OAUTH_CLIENT_ID) !== Boolean(settings.GOOGLE_OAUTH_CLIENT_SECRET)) {
    problems.push('GOOGLE_OAUTH_CLIENT_ID and GOOGLE_OAUTH_CLIENT_SECRET: set both or neither');
  }
  if (Boolean(settings.TEMPORAL_TLS_CERT_FILE) !== Boolean(settings.TEMPORAL_TLS_KEY_FILE)) {
    problems.push('TEMPORAL_TLS_CERT_FILE and TEMPORAL_TLS_KEY_FILE: set both or neither');
  }
  problems.push(...unusableCertificates(settings));
  if (settings.DATABASE_URL && !settings.FAIRLEAD_MASTER_KEYS) {
    problems.push(`FAIRLEAD_MASTER_KEYS: is needed with DATABASE_URL. Generate one with: ${newKey}`);
  }
  return problems;
}

function publicUrlOf(settings: Settings): string {
  return (settings.FAIRLEAD_PUBLIC_URL ?? `http://localhost:${settings.FAIRLEAD_PORT}`).replace(/\/+$/, '');
}

/** Chooses `pull` if GitHub cannot reach the webhook URL: Fairlead then reads GitHub's delivery log. */
function webhooksOf(settings: Settings): { mode: WebhookMode; webhookUrl: string | undefined } {
  const webhookUrl = settings.FAIRLEAD_WEBHOOK_URL && trimmed(settings.FAIRLEAD_WEBHOOK_URL);
  const usual = looksPublic(webhookUrl ?? publicUrlOf(settings)) ? 'push' : 'pull';
  return { mode: settings.FAIRLEAD_WEBHOOK_MODE ?? usual, webhookUrl };
}

function tlsOf(settings: Settings) {
  const { TEMPORAL_TLS_CA_FILE: ca, TEMPORAL_TLS_CERT_FILE: cert, TEMPORAL_TLS_KEY_FILE: key } = settings;
  const wanted = settings.TEMPORAL_TLS ?? Boolean(ca || cert || settings.TEMPORAL_API_KEY);
  if (!wanted) return undefined;
  return {
    ...(ca && { serverRootCACertificate: readFileSync(ca) }),
    ...(cert && key && { clientCertPair: { crt: readFileSync(cert), key: readFileSync(key) } }),
  };
}

/** Other programs read these variables in lower case first, and so does Fairlead. */
function lowerCaseProxies(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { https_proxy: proxy, no_proxy: exceptions } = env;
  return { ...(proxy && { HTTPS_PROXY: proxy }), ...(exceptions && { NO_PROXY: exceptions }) };
}

function isProxy(text: string): boolean {
  if (!/^https?:\/\/[^/]/i.test(text) || !URL.canParse(text)) return false;
  const { username, password } = new URL(text);
  return works(() => [username, password].map((text) => decodeURIComponent(text)));
}

function isOrigin(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { username, password, pathname, search, hash } = new URL(text);
  return username + password + search + hash === '' && /^\/*$/.test(pathname);
}

function isHostAndPort(text: string): boolean {
  const [, port = ''] = /^[^/\s]+:(\d{1,5})$/.exec(text) ?? [];
  return Number(port) >= 1 && Number(port) <= 65_535;
}

/** TLS ignores an invalid CA without an error, and the connection would fail again and again. */
function unusableCertificates(settings: Settings): string[] {
  const { TEMPORAL_TLS_CA_FILE: ca, TEMPORAL_TLS_CERT_FILE: cert, TEMPORAL_TLS_KEY_FILE: key } = settings;
  return [
    ...(ca && !works(() => new X509Certificate(readFileSync(ca)))
      ? ['TEMPORAL_TLS_CA_FILE: must be a certificate in PEM']
      : []),
    ...(cert && key && !works(() => createSecureContext({ cert: readFileSync(cert), key: readFileSync(key) }))
      ? ['TEMPORAL_TLS_CERT_FILE and TEMPORAL_TLS_KEY_FILE: must be a certificate and its private key, both in PEM']
      : []),
  ];
}

function works(attempt: () => unknown): boolean {
  try {
    attempt();
    return true;
  } catch {
    return false;
  }
}

/** Returns the hosts that tenants may connect to. The operator's own GitHub is always one of them. */
function allowedHostsOf(settings: Settings): AllowedHost[] {
  const { hostUrl, apiUrl } = githubHostOf(settings);
  return [...settings.FAIRLEAD_ALLOWED_HOSTS, { origin: new URL(hostUrl).origin }, { origin: new URL(apiUrl).origin }];
}

function githubHostOf(settings: Settings): { hostUrl: string; apiUrl: string } {
  const hostUrl = trimmed(settings.GITHUB_HOST_URL);
  return { hostUrl, apiUrl: githubHost(hostUrl, settings.GITHUB_API_URL && trimmed(settings.GITHUB_API_URL)).api };
}

function privateKeyOf({
  GITHUB_APP_PRIVATE_KEY: text,
  GITHUB_APP_PRIVATE_KEY_FILE: keyFile,
}: Pick<Settings, 'GITHUB_APP_PRIVATE_KEY' | 'GITHUB_APP_PRIVATE_KEY_FILE'>): string {
  return tidyPrivateKey(text ?? (keyFile ? readFileSync(keyFile, 'utf8') : ''));
}

function operatorAppOf(settings: Settings) {
  if (settings.GITHUB_APP_ID === undefined) return undefined;
  return {
    appId: settings.GITHUB_APP_ID,
    slug: settings.GITHUB_APP_SLUG ?? '',
    privateKey: privateKeyOf(settings),
    webhookSecret: settings.GITHUB_APP_WEBHOOK_SECRET ?? '',
    clientId: settings.GITHUB_APP_CLIENT_ID,
    clientSecret: settings.GITHUB_APP_CLIENT_SECRET,
    ...githubHostOf(settings),
  };
}

/** Prevents the database client from throwing an error that contains the whole address, with the password. */
function isParsable(text: string): boolean {
  try {
    parseConnectionString(text);
    return true;
  } catch {
    return false;
  }
}

function trimmed(url: string): string {
  return new URL(url).href.replace(/\/+$/, '');
}
