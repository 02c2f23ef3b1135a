import { describe, expect, test } from 'vitest';
import { cloudKindOf, type RegistryHost, registryHost } from '../../../domain/registries/registry-hosts.ts';
import { atLeast, fc } from '../../support/properties.ts';

const account = '123456789012';

describe('ECR', () => {
  test.each([
    ['dkr.ecr.eu-west-1.amazonaws.com', { partition: 'aws', region: 'eu-west-1', fips: false, dualStack: false }],
    ['dkr.ecr.ap-southeast-5.amazonaws.com', { partition: 'aws', region: 'ap-southeast-5' }],
    ['dkr.ecr-fips.us-east-1.amazonaws.com', { partition: 'aws', region: 'us-east-1', fips: true, dualStack: false }],
    ['dkr-ecr.eu-west-1.on.aws', { partition: 'aws', region: 'eu-west-1', fips: false, dualStack: true }],
    ['dkr-ecr-fips.us-west-2.on.aws', { partition: 'aws', region: 'us-west-2', fips: true, dualStack: true }],
    ['dkr.ecr.us-gov-west-1.amazonaws.com', { partition: 'aws-us-gov', region: 'us-gov-west-1' }],
    ['dkr.ecr-fips.us-gov-east-1.amazonaws.com', { partition: 'aws-us-gov', fips: true }],
    ['dkr.ecr.cn-north-1.amazonaws.com.cn', { partition: 'aws-cn', region: 'cn-north-1' }],
    ['dkr-ecr.cn-northwest-1.on.amazonwebservices.com.cn', { partition: 'aws-cn', dualStack: true }],
    ['dkr.ecr.eusc-de-east-1.amazonaws.eu', { partition: 'aws-eusc', region: 'eusc-de-east-1' }],
    ['dkr.ecr.us-iso-east-1.c2s.ic.gov', { partition: 'aws-iso' }],
    ['dkr.ecr.us-isob-east-1.sc2s.sgov.gov', { partition: 'aws-iso-b' }],
    ['dkr.ecr.eu-isoe-west-1.cloud.adc-e.uk', { partition: 'aws-iso-e' }],
    ['dkr.ecr.us-isof-south-1.csp.hci.ic.gov', { partition: 'aws-iso-f' }],
  ])('%s', (end, expected) => {
    const host = `${account}.${end}`;
    expect(registryHost(host)).toMatchObject({ kind: 'ecr', host, origin: `https://${host}`, account, ...expected });
    expect(registryHost(`HTTPS://${host.toUpperCase()}/`)).toEqual(registryHost(host));
  });

  test.each(['public.ecr.aws', 'ecr-public.aws.com'])('%s is public, and in one region only', (host) => {
    expect(registryHost(host)).toMatchObject({ kind: 'ecr', host, account: undefined, region: 'us-east-1' });
  });

  test.each([
    '12345678901.dkr.ecr.eu-west-1.amazonaws.com',
    '1234567890123.dkr.ecr.eu-west-1.amazonaws.com',
    'dkr.ecr.eu-west-1.amazonaws.com',
    'x.123456789012.dkr.ecr.eu-west-1.amazonaws.com',
    '123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil',
    '123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.com',
    '123456789012.dkr.ecr.eu-west-1.evil.com',
    '123456789012.dkr.ecr.evil.com.amazonaws.com',
    '123456789012.dkr.ecr.eu-west-1.amazonaws.com.cn',
    '123456789012.dkr.ecr.cn-north-1.amazonaws.com',
    '123456789012.dkr.ecr.eusc-de-east-1.amazonaws.com',
    '123456789012.dkr.ecr.eu-west-1.on.aws',
    '123456789012.dkr-ecr.eu-west-1.amazonaws.com',
    '123456789012.dkr.ecr.eu-west-1.amazonaws.com:8443',
    'http://123456789012.dkr.ecr.eu-west-1.amazonaws.com',
    '123456789012.dkr.ecr..amazonaws.com',
    '123456789012.dkr.ecr.eu-west-1.amazonawsxcom',
  ])('rejects %s', (host) => {
    expect(registryHost(host)).toBeUndefined();
  });
});

describe('Google', () => {
  test.each([
    ['europe-west1-docker.pkg.dev', 'europe-west1', false],
    ['northamerica-northeast1-docker.pkg.dev', 'northamerica-northeast1', false],
    ['us-docker.pkg.dev', 'us', false],
    ['europe-docker.pkg.dev', 'europe', false],
    ['asia-docker.pkg.dev', 'asia', false],
    ['gcr.io', 'us', true],
    ['us.gcr.io', 'us', true],
    ['eu.gcr.io', 'europe', true],
    ['asia.gcr.io', 'asia', true],
  ])('%s', (host, location, isGcr) => {
    expect(registryHost(host)).toMatchObject({ kind: 'gar', host, location, isGcr, universe: 'googleapis.com' });
  });

  test('recognizes a sovereign Google Cloud', () => {
    expect(registryHost('docker.s3nsregistry.fr')).toMatchObject({ kind: 'gar', universe: 's3nsapis.fr' });
  });

  test.each(['docker.pkg.dev', '-docker.pkg.dev', 'x.y-docker.pkg.dev', 'k8s.gcr.io', 'evil.us.gcr.io', 'gcr.io:8443'])(
    'rejects %s',
    (host) => expect(registryHost(host)).toBeUndefined(),
  );

  test.each([
    'europe-west1-docker.pkg.dev.evil.com',
    'gcr.io.evil.com',
    'evilgcr.io',
    'europe-west1-docker.pkg.dev-x.com',
  ])('treats %s as another registry', (host) => expect(registryHost(host)?.kind).toBe('oci'));
});

describe('Azure', () => {
  test.each([
    ['acme1.azurecr.io', 'public'],
    ['acme1-h3x4abcd.azurecr.io', 'public'],
    ['acme1.azurecr.cn', 'china'],
    ['acme1.azurecr.us', 'usgov'],
  ])('%s', (host, cloud) => {
    expect(registryHost(host)).toMatchObject({ kind: 'acr', host, cloud });
  });

  test.each([
    'acme1.azurecr.de',
    'a.b.azurecr.io',
    'acme1.westeurope.data.azurecr.io',
    'acme.azurecr.io',
    'x.azurecr.us',
  ])('rejects %s', (host) => expect(registryHost(host)).toBeUndefined());

  test.each([
    'x.azurecr.io.evil.com',
    'acme1.azurecr.io.evil',
    'acme1.azurecr.iox.com',
    'acme1-azurecr.io',
    'azurecr.io',
  ])('treats %s as another registry', (host) => expect(registryHost(host)?.kind).toBe('oci'));
});

describe('Docker Hub', () => {
  test.each([
    'docker.io',
    'index.docker.io',
    'registry-1.docker.io',
    'registry.hub.docker.com',
    'https://index.docker.io/v1/',
    'https://index.docker.io/v1',
    'https://docker.io/',
  ])('accepts %s as another name', (text) => {
    expect(registryHost(text)).toEqual({
      kind: 'dockerhub',
      host: 'docker.io',
      origin: 'https://registry-1.docker.io',
    });
  });

  test.each(['http://docker.io', 'docker.io:8443'])('rejects %s', (text) => {
    expect(registryHost(text)).toBeUndefined();
  });
});

describe('any other registry', () => {
  test.each([
    ['ghcr.io', 'ghcr.io', 'https://ghcr.io'],
    ['registry.gitlab.com', 'registry.gitlab.com', 'https://registry.gitlab.com'],
    ['Harbor.Acme.com:8443', 'harbor.acme.com:8443', 'https://harbor.acme.com:8443'],
    ['https://quay.io:443', 'quay.io', 'https://quay.io'],
    ['http://127.0.0.1:5000', '127.0.0.1:5000', 'http://127.0.0.1:5000'],
    ['docker.io.evil.com', 'docker.io.evil.com', 'https://docker.io.evil.com'],
  ])('%s', (text, host, origin) => {
    expect(registryHost(text)).toEqual({ kind: 'oci', host, origin });
  });

  test.each([
    '',
    ' ghcr.io',
    'ghcr.io ',
    'ghcr.io.',
    'ghcr.io/acme',
    'ghcr.io/acme/',
    '//ghcr.io',
    'https://user:secret@ghcr.io',
    'user@ghcr.io',
    'ghcr.io?x=1',
    'ghcr.io#x',
    'ghcr.io:0',
    'ghcr.io:65536',
    'ghcr.io:',
    'ghcr.io\n',
    'gh_cr.io',
    '-ghcr.io',
    'ghcr..io',
    '[::1]:5000',
    '2130706433',
    '0x7f.1',
    'ftp://ghcr.io',
    `${account}.dkr.ecr.eu-west-1.amazonaws.com.0.0.0.0`,
    'x.0',
    'x.0x1',
    '1.2.3.4.5',
    'https://256.256.256.256',
    'xn--a.dev',
    'xn--.com:8443',
    'ｇhcr.io',
    'https://index.docker.io/v1/../x',
  ])('rejects %j', (text) => {
    expect(registryHost(text)).toBeUndefined();
  });
});

test.each([
  [`${account}.dkr.ecr.eu-west-1.amazonaws.com`, 'ecr'],
  [`${account}.dkr-ecr.eu-west-1.on.aws:443`, 'ecr'],
  ['public.ecr.aws', 'ecr'],
  ['k8s.gcr.io', 'gar'],
  ['us-docker.pkg.dev', 'gar'],
  ['Acme.azurecr.io', 'acr'],
  ['acme.westeurope.data.azurecr.io.', 'acr'],
  ['INDEX.docker.io', 'dockerhub'],
  ['ghcr.io', undefined],
  ['x.azurecr.io.evil.com', undefined],
  ['evilgcr.io', undefined],
])('%s belongs to %s', (host, kind) => {
  expect(cloudKindOf(host)).toBe(kind);
});

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?$/);
const hostName = fc
  .array(label, { minLength: 2, maxLength: 5 })
  .map((labels) => labels.join('.'))
  .filter((host) => URL.canParse(`https://${host}`) && new URL(`https://${host}`).hostname === host);
const known = fc.constantFrom(
  `${account}.dkr.ecr.eu-west-1.amazonaws.com`,
  `${account}.dkr-ecr.eu-west-1.on.aws`,
  'public.ecr.aws',
  'europe-west1-docker.pkg.dev',
  'gcr.io',
  'acme1.azurecr.io',
  'docker.io',
);

test('never throws for any labels and port', () => {
  const labels = fc.array(fc.oneof(label, fc.constantFrom('0', '0x1', '256', 'xn--a', 'xn--', '1e3')), {
    maxLength: 5,
  });
  const port = fc.oneof(
    fc.constant(''),
    fc.integer({ min: -1, max: 70_000 }).map((number) => `:${number}`),
  );
  fc.assert(
    fc.property(fc.constantFrom('', 'https://', 'http://'), labels, port, (scheme, host, at) => {
      const found = registryHost(`${scheme}${host.join('.')}${at}`);
      expect([undefined, 'oci', 'ecr', 'gar', 'acr', 'dockerhub']).toContain(found?.kind);
    }),
    atLeast(1_000),
  );
});

test('a suffix after a service’s host makes it another registry', () => {
  fc.assert(
    fc.property(known, hostName, (host, more) => {
      expect([undefined, 'oci']).toContain(registryHost(`${host}.${more}`)?.kind);
    }),
  );
});

test('an accepted host is used as written, and parses to itself', () => {
  fc.assert(
    fc.property(fc.oneof(hostName, known, fc.string()), fc.constantFrom('', ':5000', ':443'), (host, port) => {
      const found: RegistryHost | undefined = registryHost(`${host}${port}`);
      if (!found) return;
      expect(new URL(found.origin).href).toBe(`${found.origin}/`);
      expect(registryHost(found.host)).toEqual(found);
      expect(registryHost(found.origin)).toEqual(found);
    }),
  );
});
