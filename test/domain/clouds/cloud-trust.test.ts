import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { azureTrustCommands } from '../../../domain/clouds/azure-trust.ts';
import { artifactRepository } from '../../../domain/clouds/gcp-names.ts';
import { gcpTrustCommands } from '../../../domain/clouds/gcp-trust.ts';

const provider = 'projects/42/locations/global/workloadIdentityPools/fairlead/providers/prod';
const subject = `org:o'1:cloud-account:$(x)`;
const issuerUrl = 'https://fairlead.test';
const principal = `principal://iam.googleapis.com/projects/42/locations/global/workloadIdentityPools/fairlead/subject/${subject}`;
const images = { project: 'acme', location: 'europe', repository: 'images' };
const email = 'deployer@acme-prod.iam.gserviceaccount.com';
const clientId = '99999999-8888-4777-8666-555555555555';

/** What a shell makes of the text: the words of each command, where the tools do nothing but say them. */
function pasted(text: string): string[][] {
  const say = `say() { printf '%s\\0' "$@" >&3; printf '\\n' >&3; }`;
  const tools = `gcloud() { say gcloud "$@"; }\naz() { say az "$@"; case "$*" in *roleAssignmentMode*) echo "$MODE" ;; *) echo /id ;; esac; }`;
  const { output, status } = spawnSync('sh', ['-eu', '-c', `${say}\n${tools}\n${text}`], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    env: { ...process.env, MODE: mode },
  });
  expect([status, output[2]]).toEqual([0, '']);
  const lines = (output[3] ?? '').split('\0\n').filter(Boolean);
  return lines.map((line) => line.split('\0'));
}
let mode = 'LegacyRegistryPermissions';

test('creates a pool that trusts this one account, and quotes its name for the shell', () => {
  const commands = pasted(
    gcpTrustCommands({ issuerUrl, subject, provider }, { repositories: [images], purpose: 'push' }),
  );

  expect(commands.map((words) => words.slice(1, 5))).toEqual([
    ['services', 'enable', 'sts.googleapis.com', 'iamcredentials.googleapis.com'],
    ['iam', 'workload-identity-pools', 'create', 'fairlead'],
    ['iam', 'workload-identity-pools', 'providers', 'create-oidc'],
    ['artifacts', 'repositories', 'add-iam-policy-binding', 'images'],
  ]);
  expect(commands[2]).toEqual(
    expect.arrayContaining([
      'prod',
      '--workload-identity-pool=fairlead',
      '--issuer-uri=https://fairlead.test',
      `--attribute-condition=assertion.sub == ${JSON.stringify(subject)}`,
    ]),
  );
  expect(commands[3]).toEqual(
    expect.arrayContaining([`--member=${principal}`, '--role=roles/artifactregistry.writer', '--location=europe']),
  );
});

test('grants the role to the service account, and the right to act for it to the pool’s principal', () => {
  const trusted = { issuerUrl, subject, provider, serviceAccount: email };
  const commands = pasted(gcpTrustCommands(trusted, { repositories: [images], purpose: 'pull' }));

  expect(commands.at(-2)).toEqual(
    expect.arrayContaining([
      email,
      `--member=${principal}`,
      '--role=roles/iam.workloadIdentityUser',
      '--project=acme-prod',
    ]),
  );
  expect(commands.at(-1)).toEqual(
    expect.arrayContaining([`--member=serviceAccount:${email}`, '--role=roles/artifactregistry.reader']),
  );
});

test('a key and a person need only a role on the given repository', () => {
  const wanted = { repositories: [], purpose: 'pull' as const };

  expect(gcpTrustCommands({ serviceAccount: email }, wanted)).toBe(
    `gcloud artifacts repositories add-iam-policy-binding REPOSITORY --project=PROJECT --location=LOCATION --member=serviceAccount:${email} --role=roles/artifactregistry.reader`,
  );
  expect(gcpTrustCommands({ person: 'ann@acme.test' }, wanted)).toContain('--member=user:ann@acme.test');
});

test.each([
  ['LegacyRegistryPermissions', 'push', 'AcrPush'],
  ['AbacRepositoryPermissions', 'push', 'Container Registry Repository Writer'],
  ['LegacyRegistryPermissions', 'pull', 'AcrPull'],
  ['AbacRepositoryPermissions', 'pull', 'Container Registry Repository Reader'],
] as const)('on a registry with %s, permission to %s needs the role %s', (asked, purpose, role) => {
  mode = asked;
  const trusted = { clientId, cloud: 'usgov' as const, federation: { issuerUrl, subject } };

  const commands = pasted(azureTrustCommands(trusted, { hosts: ['acmeprod-a1b2.azurecr.us'], purpose }));

  expect(commands[0]).toEqual(['az', 'cloud', 'set', '--name', 'AzureUSGovernment']);
  const [words] = commands.filter((command) => command.includes('federated-credential'));
  expect(JSON.parse(words?.at(-1) ?? '')).toEqual({
    name: 'fairlead-x',
    issuer: issuerUrl,
    subject,
    audiences: ['api://AzureADTokenExchangeUSGov'],
  });
  expect(commands.filter((command) => command.includes('show'))[0]).toContain('acmeprod');
  expect(commands.at(-1)).toEqual([
    'az',
    'role',
    'assignment',
    'create',
    '--assignee',
    clientId,
    '--role',
    role,
    '--scope',
    '/id',
  ]);
});

test('an app with a secret needs no federated credential', () => {
  const text = azureTrustCommands({ clientId, cloud: 'public' }, { hosts: [], purpose: 'pull' });

  expect(text).not.toContain('federated');
  expect(text).toContain('--name REGISTRY');
});

test.each([
  [
    'europe-west1-docker.pkg.dev',
    'acme/images/team/web',
    { project: 'acme', location: 'europe-west1', repository: 'images' },
  ],
  [
    'us-docker.pkg.dev',
    'acme.com/tools/images/web',
    { project: 'acme.com:tools', location: 'us', repository: 'images' },
  ],
  ['gcr.io', 'acme/web', { project: 'acme', location: 'us', repository: 'gcr.io' }],
  ['asia.gcr.io', 'acme/team/web', { project: 'acme', location: 'asia', repository: 'asia.gcr.io' }],
  ['us-docker.pkg.dev', 'acme/images', undefined],
  ['us-docker.pkg.dev', 'acme/../images/web', undefined],
  ['us-docker.pkg.dev', 'acme/im:ages/web', undefined],
  ['gcr.io', 'acme', undefined],
  ['constructor', 'acme/web/x', undefined],
])('finds the repository of %s/%s', (host, image, place) => {
  expect(artifactRepository(host, image)).toEqual(place);
});
