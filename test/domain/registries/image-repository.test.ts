import { expect, test } from 'vitest';
import {
  imageRepository,
  isRepositoryName,
  repositoryNameAdvice,
} from '../../../domain/registries/image-repository.ts';
import { type RegistryHost, registryHost } from '../../../domain/registries/registry-hosts.ts';
import { fc } from '../../support/properties.ts';

const named = (host: string) => registryHost(host) as RegistryHost;

test.each(['app', 'acme/app', 'a/b/c/d', 'a.b/c_d/e__f/g-h/i--j', '0', `a/${'b'.repeat(253)}`])(
  'accepts the name %s',
  (name) => {
    expect(isRepositoryName(name)).toBe(true);
  },
);

test.each([
  '',
  '/',
  'acme/',
  '/app',
  'acme//app',
  'Acme/app',
  'acme/../app',
  '..',
  'acme/.app',
  'acme/app.',
  'a___b',
  'a._b',
  'a..b',
  '-a',
  'acme/app:v1',
  'acme/app@sha256:0',
  'acme/app?x',
  'acme/app%2f',
  'acme/app\n',
  'acme app',
  'a'.repeat(256),
])('rejects the name %j', (name) => {
  expect(isRepositoryName(name)).toBe(false);
});

test('rejects a long text quickly', () => {
  const started = Date.now();
  expect(isRepositoryName(`${'a-'.repeat(120)}!`)).toBe(false);
  expect(isRepositoryName(`${'a'.repeat(250)}!`)).toBe(false);
  expect(Date.now() - started).toBeLessThan(1_000);
});

test.each([
  ['ghcr.io', 'acme/app', 'acme/app'],
  ['ghcr.io', 'ghcr.io/acme/app', 'acme/app'],
  ['harbor.acme.com:8443', 'harbor.acme.com:8443/team/app', 'team/app'],
  ['http://127.0.0.1:5000', 'app', 'app'],
  ['docker.io', 'nginx', 'library/nginx'],
  ['docker.io', 'docker.io/nginx', 'library/nginx'],
  ['docker.io', 'index.docker.io/acme/app', 'acme/app'],
  ['docker.io', 'acme/app', 'acme/app'],
  ['europe-west1-docker.pkg.dev', 'project/repository/app', 'project/repository/app'],
  ['gcr.io', 'gcr.io/project/app', 'project/app'],
  ['gcr.io', 'acme.com/project/app', 'acme.com/project/app'],
  ['123456789012.dkr.ecr.eu-west-1.amazonaws.com', 'app', 'app'],
])('at %s, %s becomes %s', (host, text, name) => {
  expect(imageRepository(named(host), text)).toBe(name);
});

test.each([
  ['docker.io', 'ghcr.io/acme/app'],
  ['ghcr.io', 'ghcr.io/acme/app:v1'],
  ['ghcr.io', 'quay.io:443/acme/app'],
  ['ghcr.io', 'https://ghcr.io/acme/app'],
  ['europe-west1-docker.pkg.dev', 'project/repository'],
  ['gcr.io', 'project'],
  ['ghcr.io', 'ghcr.io/'],
])('at %s, rejects %s', (host, text) => {
  expect(imageRepository(named(host), text)).toBeUndefined();
});

test.each([
  ['ghcr.io', 'Acme/Shop', 'must be in lower case: acme/shop'],
  ['ghcr.io', 'ghcr.io/Acme/Shop', 'must be in lower case: ghcr.io/acme/shop'],
  ['ghcr.io', 'Acme/Shop:v1', 'must be the name of a repository on ghcr.io, without a tag or digest'],
  ['gcr.io', 'Project', 'must be the name of a repository on gcr.io, without a tag or digest'],
])('at %s, %s gets the advice: %s', (host, text, advice) => {
  expect(repositoryNameAdvice(named(host), text)).toBe(advice);
});

test('a name needs no encoding in a URL or a token’s scope, and never leaves its path', () => {
  fc.assert(
    fc.property(fc.oneof(fc.stringMatching(/^[a-z0-9._/-]{1,40}$/), fc.string()), (name) => {
      if (!isRepositoryName(name)) return;
      expect(new URL(`https://registry.example/v2/${name}/tags/list`).pathname).toBe(`/v2/${name}/tags/list`);
      expect(name).not.toMatch(/[:,\s]/);
    }),
  );
});
