import type { GitHubStandIn } from '../github/stand-in.ts';
import type { Account } from '../github/state.ts';

export const acme: Account = { login: 'acme', id: 9000, type: 'Organization' };
const bob: Account = { login: 'bob', id: 77, type: 'User' };
const mallory: Account = { login: 'mallory', id: 666, type: 'User' };

const workflow = `name: deploy
run-name: Build \${{ inputs.fairlead_build }}
on:
  workflow_dispatch:
    inputs:
      fairlead_build: { description: Build id, required: true, type: string }
      fairlead_sha: { description: Commit, required: true, type: string }
      fairlead_ref: { description: Ref, required: true, type: string }
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - run: echo ok
`;

/** The repository that the demo builds. */
export const shop = { id: 1296269, fullName: 'acme/shop', branch: 'main' };

/** The user who pushes and pulls the demo's images, and the image. */
export const robot = { username: 'robot$acme', password: 'of-the-simulated-registry-only' };
export const image = 'acme/shop';

/**
 * Creates the accounts once: octocat owns acme, bob is a member of it, and mallory is not. The stand-in remembers them.
 */
export function seedTown(github: GitHubStandIn): void {
  if (github.state.repositories.size > 0) return;
  github.addMembership(acme, github.state.person, 'admin');
  github.addMembership(acme, bob, 'member');
  github.state.accounts.set(mallory.id, mallory);
  const workflows = { '.github/workflows/deploy.yml': workflow };
  github.addOwnRepository(acme, { id: shop.id, name: 'shop', defaultBranch: shop.branch, workflows });
  github.addOwnRepository(acme, { name: 'website', workflows });
}
