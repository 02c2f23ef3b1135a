import { type EcrTarget, ecrSessionPolicy, longestSessionPolicy } from '../../../domain/clouds/aws-policies.ts';
import { isRepositoryName } from '../../../domain/registries/image-repository.ts';
import type { EffectiveScope, RegistryPurpose } from '../../../domain/registries/registry-purposes.ts';
import { awsError } from './aws-failures.ts';

/** A session's policy, and what somebody may do who has it. */
export type Narrowing = { policy?: string; effective: EffectiveScope };

type Wish = { target: EcrTarget; actions: RegistryPurpose[]; repositories: string[] | undefined };

/** What nothing can be taken away from. */
export const unnarrowed: Narrowing = {
  effective: {
    repositories: '*',
    actions: ['pull', 'push'],
    narrowedTo: 'identity',
    note: 'Only sessions of a role can be narrowed: this credential may do all that the identity itself may.',
  },
};

/** From the narrowest to the widest that AWS may be asked for: the next one is for when a policy is too large. */
export function narrowings(wish: Wish): Narrowing[] {
  const { target, actions } = wish;
  const repositories = wish.repositories && [...new Set(wish.repositories)];
  if (repositories?.length === 0) throw awsError('validation', 'No repository was named');
  if (!repositories?.every(isRepositoryName) && repositories) {
    throw awsError('validation', 'This is not the name of a repository');
  }
  // The right to push without pulling is of no use to any client.
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

/** Its repositories are named `alias/name`, but an alias is not part of what a policy calls them. */
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
