import type { NewApp } from '../../../stand-ins/github/seeds.ts';
import type { StandInOptions } from '../../../stand-ins/github/stand-in.ts';
import { createBrowser, type Shown } from '../../support/browser.ts';
import { github } from './installed.ts';

export const acme = { login: 'acme', id: 9000, type: 'Organization' as const };
export const bob = { login: 'bob', id: 77, type: 'User' as const };
export const mallory = { login: 'mallory', id: 666, type: 'User' as const };
export const setupUrl = 'https://fairlead.example/installed';
export const callback = 'https://fairlead.example/callback';

/** octocat owns acme, which has two repositories. bob is a mere member. mallory is in no organization. */
export async function town({ flavour, ...input }: NewApp & StandInOptions = {}) {
  const standIn = await github({ ...(flavour && { flavour }) });
  const app = standIn.addApp({ slug: 'fairlead', setupUrl, callbackUrls: [callback], ...input });
  standIn.addMembership(acme, undefined, 'admin');
  standIn.addMembership(acme, bob, 'member');
  standIn.state.accounts.set(mallory.id, mallory);
  const web = standIn.addOwnRepository(acme, { id: 101, name: 'web' });
  const api = standIn.addOwnRepository(acme, { id: 102, name: 'api' });
  const base = flavour === 'ghes' ? '/github-apps/fairlead' : '/apps/fairlead';
  const browser = createBrowser();
  const begin = () => browser.visit(`${standIn.url}${base}/installations/new?state=s-1`);
  return { github: standIn, app, web, api, browser, begin, base };
}

/** What the next address would receive. */
export function queryOf(shown: Shown): Record<string, string> {
  return Object.fromEntries(new URL(shown.location ?? 'http://nowhere.invalid').searchParams);
}
