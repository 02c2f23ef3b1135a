import { readFileSync } from 'node:fs';
import { type IncomingMessage, request as requestPlain, type ServerResponse } from 'node:http';
import { createServer, request as requestSecure } from 'node:https';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { startAws } from '../../../stand-ins/aws/stand-in.ts';
import { startAzure } from '../../../stand-ins/azure/stand-in.ts';
import { startGoogle } from '../../../stand-ins/google/stand-in.ts';

const file = (name: string) => fileURLToPath(new URL(name, import.meta.url));
/**
 * The certificate for the names in `ports` below. Made with:
 * openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes
 * -days 36500 -subj /CN=clouds -addext subjectAltName=DNS:… -keyout clouds-key.pem -out clouds.pem
 */
const certificateFile = file('../tls/clouds.pem');
const certificate = {
  cert: readFileSync(certificateFile, 'utf8'),
  key: readFileSync(file('../tls/clouds-key.pem'), 'utf8'),
};

export const awsAccount = '111122223333';
export const registryHosts = {
  acr: 'canaries.azurecr.io',
  gar: 'europe-docker.pkg.dev',
  ecr: `${awsAccount}.dkr.ecr.eu-west-1.amazonaws.com`,
};
const awsHosts = ['sts.eu-west-1.amazonaws.com', 'api.ecr.eu-west-1.amazonaws.com'];

export type CloudServers = Awaited<ReturnType<typeof startCloudServers>>;

/** Starts three clouds with a registry each. Returns the settings that the product needs to reach them. */
export async function startCloudServers() {
  const [aws, google, azure] = await Promise.all([
    startAws(),
    startGoogle({ certificate }),
    startAzure({ certificate }),
  ]);
  /** The logins that the registries have received. */
  const logins: string[] = [];
  const front = createServer(certificate, (request, response) => {
    if (request.url?.startsWith('/v2/')) return answerAsRegistry(request, response, logins);
    // A registry of Azure issues its tokens at its own address.
    forward(request, response, request.headers.host === registryHosts.acr ? azure.url : aws.url);
  });
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));

  const portOf = ({ url }: { url: string }) => new URL(url).port;
  const frontPort = String((front.address() as AddressInfo).port);
  const ports: Record<string, string> = {
    'login.microsoftonline.com': portOf(azure),
    'oauth2.googleapis.com': portOf(google),
    'artifactregistry.googleapis.com': portOf(google),
    ...Object.fromEntries([...Object.values(registryHosts), ...awsHosts].map((host) => [host, frontPort])),
  };
  return {
    aws,
    google,
    azure,
    logins,
    allowedHosts: Object.keys(ports).join(' '),
    env: {
      NODE_OPTIONS: `--import ${new URL('cloud-names.mjs', import.meta.url)}?${new URLSearchParams(ports)}`,
      FAIRLEAD_CA_FILE: certificateFile,
      // The AWS SDK opens its own connections.
      NODE_EXTRA_CA_CERTS: certificateFile,
    },
    async close(): Promise<void> {
      front.closeAllConnections();
      front.close();
      await Promise.all([aws.stop(), google.close(), azure.close()]);
    },
  };
}

function answerAsRegistry({ headers }: IncomingMessage, response: ServerResponse, logins: string[]): void {
  const [, login] = /^Basic (.+)$/.exec(headers.authorization ?? '') ?? [];
  if (login === undefined) {
    response.writeHead(401, { 'www-authenticate': 'Basic realm="registry"' }).end();
    return;
  }
  logins.push(Buffer.from(login, 'base64').toString());
  response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
}

function forward(incoming: IncomingMessage, outgoing: ServerResponse, to: string): void {
  const request = to.startsWith('https:') ? requestSecure : requestPlain;
  const { method, headers, url = '/' } = incoming;
  const onward = request(to + url, { ...(method && { method }), headers, ca: certificate.cert }, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(outgoing);
  });
  onward.on('error', () => outgoing.destroy());
  incoming.pipe(onward);
}
