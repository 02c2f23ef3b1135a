import { randomBytes } from 'node:crypto';
import type { State } from './state.ts';

export type Agreement = {
  email?: string;
  /** The scopes that the person leaves ticked. The default is all scopes that the page asks for. */
  scope?: string;
};

/** Gives consent, as a person does on this page of Google's. Returns the address that sends their browser back. */
export function agree(state: State, page: URL, { email = 'ann@acme.test', scope }: Agreement = {}): string {
  const asked = (name: string) => page.searchParams.get(name) ?? '';
  const code = `4/${randomBytes(12).toString('base64url')}`;
  const ticked = scope ?? asked('scope');
  state.codes.set(code, {
    clientId: asked('client_id'),
    redirectUri: asked('redirect_uri'),
    challenge: asked('code_challenge'),
    email,
    scope: ticked,
    lasting: true,
  });
  return `${asked('redirect_uri')}?${new URLSearchParams({ state: asked('state'), code, scope: ticked })}`;
}
