import { randomBytes } from 'node:crypto';
import type { Canary } from '../canaries.ts';
import type { Client } from '../client.ts';
import type { AllInOne, Scene } from '../product.ts';

/** The parties of a day: GitHub, the product, and the owner of the project. */
export type Day = { scene: Scene; product: AllInOne; me: Client; orgId: string; projectId: string };

/** What a part of the day has made. */
export type Outcome = {
  canaries: Canary[];
  /** "what in where": what was given out to its owner, exactly once each. */
  told: string[];
};

export const exchangePath = (projectId: string) => `/v1/projects/${projectId}/credentials/exchange`;
export const inExchange = 'in the answer to POST /v1/projects/prj_…/credentials/exchange (200)';

export const named = (name: string, values: Iterable<string>): Canary[] =>
  [...values].map((value) => ({ name, value }));

/** A secret that no encoding leaves as it is. */
export const marker = () => `~+/ $'"(${randomBytes(24).toString('hex')}`;
