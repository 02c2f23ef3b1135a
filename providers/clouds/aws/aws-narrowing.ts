import { type EcrTarget, ecrSessionPolicy, longestSessionPolicy } from '../../../domain/clouds/aws-policies.ts';
import { isRepositoryName } from '../../../domain/registries/image-repository.ts';
import type { EffectiveScope, RegistryPurpose } from '../../../domain/registries/registry-purposes.ts';
import { awsError } from './aws-failures.ts';

/** A session policy, and what the session may do. */
export type Narrowing = { policy?: string; effective: EffectiveScope };

type Wish = { target: EcrTarget; actions: RegistryPurpose[]; repositories: string[] | undefined };

/** Nothing can be removed from this access. */
export const unnarrowed: Narrowing = {
  effective: {
    repositories: '*',
    actions: ['pull', 'push'],
    narrowedTo: 'identity',
    note: 'Only sessions of a role can be narrowed: this credential may do all that the identity itself may.',
  },
};

/** Ordered from the narrowest to the widest policy that AWS accepts. The next one is for a policy that is too large. */
export function narrowings(wish: Wish): Narrowing[] {
  const { target, actions } = wish;
  const repositories = wish.repositories && [...new Set(wish.repositories)];
  if (repositories?.length === 0) throw awsError('validation', 'No repository was named');
  if (!repositories?.every(isRepositoryName) && repositories) {
    throw awsError('validation', 'This is not the name of a repository');
  }
  // No client can use the right to push without the right to pull.
  const effective: EffectiveScope = {
    repositories: '*',
    actions: actions.includes('push') ? ['pull', 'push'] : ['pull'],
    narrowedTo: 'account',
  };
  if (target.region === undefined) return ofPublic(target, effective, repositories);

  const wide: Narrowing = { policy: ecrSessionPolicy(target, actions), effective };
  if (!repositories) return [wide];
  return [
    ...fitting(ecrSessionPolicy(target, actions, repositories), {
      ...effective,
      repositories,
      narrowedTo: 'repository',
    }),
    { ...wide, effective: { ...effective, note: tooMany } },
  ];
}

const tooMany = 'AWS does not take so many repositories at once: the credential is for all of the account’s.';
const publicPull = 'Anybody may pull from ECR Public.';

/** Its repositories are named `alias/name`, but a policy names them without the alias. */
function ofPublic(target: EcrTarget, effective: EffectiveScope, repositories: string[] | undefined): Narrowing[] {
  const wide = { policy: ecrSessionPolicy(target, effective.actions), effective: { ...effective, note: publicPull } };
  if (!repositories || !effective.actions.includes('push')) return [wide];
  const names = repositories.map((name) => name.slice(name.indexOf('/') + 1));
  return [
    ...fitting(ecrSessionPolicy(target, effective.actions, names), {
      ...effective,
      repositories,
      narrowedTo: 'repository',
      note: publicPull,
    }),
    { ...wide, effective: { ...effective, note: `${tooMany} ${publicPull}` } },
  ];
}

function fitting(policy: string, effective: EffectiveScope): Narrowing[] {
  return policy.length <= longestSessionPolicy ? [{ policy, effective }] : [];
}
