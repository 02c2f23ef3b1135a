import type { RegistryUser } from '../registry/access.ts';
import { nowIn, type State } from './state.ts';

/** Returns the action that distinguishes a push from a pull. */
const pushes = 'ecr:PutImage';
const pulls = 'ecr:BatchGetImage';

type Statement = { Action: string | string[]; Resource: string | string[] };

/** AWS registries accept tokens that this stand-in issued, and allow what the session policy allows. */
export function userOfEcr(state: State) {
  return (username: string, password: string): RegistryUser | undefined => {
    const token = state.issued.find((one) => one.password === password);
    if (username !== 'AWS' || !token || token.expiresAt <= nowIn(state)) return undefined;
    if (token.policy === undefined) return { password, access: [{ repository: '*', actions: ['pull', 'push'] }] };
    const { Statement: statements } = JSON.parse(token.policy) as { Statement: Statement[] };
    const access = statements.flatMap(({ Action, Resource }) => {
      const allowed = [Action].flat();
      if (!allowed.includes(pulls)) return [];
      const actions = allowed.includes(pushes) ? (['pull', 'push'] as const) : (['pull'] as const);
      const repositories = [Resource].flat().map((arn) => arn.replace(/^.*:repository\//, ''));
      return repositories.map((repository) => ({ repository, actions: [...actions] }));
    });
    return { password, access };
  };
}
