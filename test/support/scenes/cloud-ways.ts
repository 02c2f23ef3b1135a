import { generateKeyPairSync, type KeyObject, randomInt, randomUUID } from 'node:crypto';
import { insertApp, insertRegistry } from '../../../stand-ins/azure/state.ts';
import { type Clouds, registryHosts } from '../fakes/clouds.ts';
import type { Account, RegistryKind } from './cloud-flow.ts';

/** One way into a cloud, with a separate account there. */
export type Way = {
  registry: RegistryKind;
  /** The request body that creates the account. */
  body: object;
  /** Configures the cloud, as a person does, to trust this account and no other. */
  trust(account: Account): void;
  /** `pass` makes the cloud trust every tenant of this Fairlead. The verification must then fail with `code`. */
  trustAnybody?: { code: string; pass(account: Account): void };
  /** `wrong` changes the account to credentials that the cloud rejects with `code`, and `right` changes it back. */
  wrong: object;
  right: object;
  code: string;
  /** Adds a second secret at the cloud. `changes` sends it, and `end` makes the cloud reject it. */
  addSecret?(): { changes: object; end(): void };
  /** The repository of its images. */
  repository: string;
  /** Whether the cloud has issued this password. */
  hasIssued(password: string): boolean;
  secrets: string[];
};

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });

/** Returns all the ways into a cloud that need no browser. */
export function waysInto(clouds: Clouds, issuerKey: KeyObject): Record<string, () => Way> {
  const { aws, google, azure } = clouds;

  function atAws() {
    const accountId = registryHosts.ecr.slice(0, 12);
    const roleArn = (name: string) => `arn:aws:iam::${accountId}:role/${name}`;
    const repository = 'acme/shop';
    const hasIssued = (password: string) => aws.state.issued.some((one) => one.password === password);
    return { accountId, roleArn, way: { registry: 'ecr' as const, repository, hasIssued, secrets: [] } };
  }

  function byRole(authMode: 'assume_role' | 'web_identity', code: string) {
    const { roleArn, way } = atAws();
    const [mine, theirs] = [roleArn(`mine-${randomUUID()}`), roleArn(`theirs-${randomUUID()}`)];
    // This role exists, but expects another external id.
    aws.role({ arn: theirs, trusts: [clouds.platform.arn], externalId: 'of somebody else' });
    return {
      ...way,
      mine,
      body: { kind: 'aws', auth_mode: authMode, config: { role_arn: mine } },
      trust: ({ setup }: Account) => void aws.roleTrusting(mine, setup.trust_policy ?? ''),
      wrong: { config: { role_arn: theirs } },
      right: { config: { role_arn: mine } },
      code,
    };
  }

  function atGoogle() {
    const images = `acme-${randomInt(1e9)}`;
    const email = `fairlead@${images}.iam.gserviceaccount.com`;
    const place = `${images}/europe-west1/shop`;
    const held = (['download', 'upload'] as const).map((verb) => `artifactregistry.repositories.${verb}Artifacts`);
    return {
      email,
      images,
      /** Allows this identity to push and pull. */
      grant: (identity: string) => void google.state.grants.set(place, new Map([[identity, held]])),
      way: {
        registry: 'gar' as const,
        repository: `${images}/shop/api`,
        hasIssued: (password: string) => google.state.tokens.has(password),
        secrets: [],
      },
    };
  }

  function atAzure() {
    const [tenantId, clientId] = [randomUUID(), randomUUID()];
    const app = insertApp(azure.state, tenantId, clientId);
    const roles = new Map([[clientId, ['pull' as const, 'push' as const]]]);
    const registry = azure.state.registries.get(registryHosts.acr);
    return {
      app,
      config: { tenant_id: tenantId, client_id: clientId },
      /** Gives the registry to this tenant. There is one registry, and each test takes it over. */
      own: () => void insertRegistry(azure.state, registryHosts.acr, { ...registry, tenantId, roles }),
      way: {
        registry: 'acr' as const,
        repository: 'acme/shop',
        hasIssued: (password: string) => azure.state.made.has(password),
        secrets: [],
      },
    };
  }

  return {
    'a role at AWS, by our own identity': () => {
      const way = byRole('assume_role', 'assume_role_refused');
      const pass = () => void aws.role({ arn: way.mine, trusts: [clouds.platform.arn], externalId: undefined });
      return { ...way, trustAnybody: { code: 'external_id_not_required', pass } };
    },

    'a role at AWS, by our issuer': () => {
      const way = byRole('web_identity', 'web_identity_refused');
      const pass = ({ setup: { issuer } }: Account) => {
        const federated = { iss: issuer?.url ?? '', aud: issuer?.audience ?? '' };
        aws.role({ arn: way.mine, federated });
      };
      return { ...way, trustAnybody: { code: 'subject_not_required', pass } };
    },

    'an access key at AWS': () => {
      const { accountId, way } = atAws();
      const user = aws.user({ accountId, name: `key-${randomUUID()}` });
      const { secretAccessKey: secret } = user;
      return {
        ...way,
        body: {
          kind: 'aws',
          auth_mode: 'access_key',
          config: { access_key_id: user.accessKeyId, account_id: accountId },
          credentials: { secret_access_key: secret },
        },
        trust: () => {},
        wrong: { credentials: { secret_access_key: 'not-the-secret-of-this-key' } },
        right: { credentials: { secret_access_key: secret } },
        code: 'signature_mismatch',
        addSecret() {
          const other = aws.user({ accountId, name: `key-${randomUUID()}` });
          return {
            changes: {
              config: { access_key_id: other.accessKeyId, account_id: accountId },
              credentials: { secret_access_key: other.secretAccessKey },
            },
            end: () => void Object.assign(other, { active: false }),
          };
        },
        secrets: [secret, 'not-the-secret-of-this-key'],
      };
    },

    'a pool at Google, for a service account': () => {
      const { email, grant, way } = atGoogle();
      const provider = `projects/1234/locations/global/workloadIdentityPools/fairlead/providers/p${randomInt(1e9)}`;
      const trustPool = (url: string) => google.state.providers.set(provider, { issuer: url, publicKey: issuerKey });
      const allow = (impersonators: string[]) => google.state.serviceAccounts.set(email, { keys: [], impersonators });
      return {
        ...way,
        body: { kind: 'gcp', auth_mode: 'workload_identity', config: { provider, service_account: email } },
        trust({ setup: { issuer } }) {
          trustPool(issuer?.url ?? '');
          allow([`principal://${provider}/${issuer?.subject}`]);
          grant(`serviceAccount:${email}`);
        },
        trustAnybody: {
          code: 'subject_not_required',
          pass({ setup: { issuer } }) {
            trustPool(issuer?.url ?? '');
            allow([`principalSet://${provider}/*`]);
          },
        },
        wrong: { config: { provider, service_account: `other-${email}` } },
        right: { config: { provider, service_account: email } },
        code: 'impersonation_denied',
      };
    },

    'a service account’s key at Google': () => {
      const { email, images, grant, way } = atGoogle();
      const pem = rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
      const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
      const keyOf = (privateKey: string) => ({
        credentials: {
          key: { type: 'service_account', client_email: email, project_id: images, private_key: privateKey },
        },
      });
      return {
        ...way,
        body: { kind: 'gcp', auth_mode: 'service_account_key', ...keyOf(pem) },
        trust() {
          google.state.serviceAccounts.set(email, { keys: [rsa.publicKey], impersonators: [] });
          grant(`serviceAccount:${email}`);
        },
        wrong: keyOf(other.export({ type: 'pkcs8', format: 'pem' }).toString()),
        right: keyOf(pem),
        code: 'key_rejected',
        secrets: [pem.split('\n')[3] ?? pem],
      };
    },

    'an app at Azure, by our issuer': () => {
      const { app, config, own, way } = atAzure();
      return {
        ...way,
        body: { kind: 'azure', auth_mode: 'federated', config },
        trust({ setup: { issuer } }) {
          const { url = '', subject = '', audience = '' } = issuer ?? {};
          app.federated.push({ issuer: url, subject, audience, publicKey: issuerKey });
          own();
        },
        wrong: { config: { ...config, client_id: randomUUID() } },
        right: { config },
        code: 'app_not_found',
      };
    },

    'an app at Azure, by a secret': () => {
      const { app, config, own, way } = atAzure();
      const secret = `8Q~${randomUUID()}`;
      return {
        ...way,
        body: { kind: 'azure', auth_mode: 'client_secret', config, credentials: { client_secret: secret } },
        trust() {
          app.secrets.push({ value: secret, endsAt: Date.now() + 3_600_000 });
          own();
        },
        wrong: { credentials: { client_secret: `wrong-${secret}` } },
        right: { credentials: { client_secret: secret } },
        code: 'client_secret_rejected',
        addSecret() {
          const other = { value: `8Q~${randomUUID()}`, endsAt: Date.now() + 3_600_000 };
          app.secrets.push(other);
          return {
            changes: { credentials: { client_secret: other.value } },
            end: () => void app.secrets.splice(app.secrets.indexOf(other), 1),
          };
        },
        secrets: [secret],
      };
    },
  };
}
