import { randomBytes } from 'node:crypto';
import type { Client } from '../client.ts';
import type { AllInOne, Scene } from '../programs/product.ts';
import type { Canary } from './canaries.ts';

/** The parties of a day: GitHub, the product, and the owner of the project. */
export type Day = { scene: Scene; product: AllInOne; me: Client; orgId: string; projectId: string };

/** The result of one part of the day. */
export type Outcome = {
  canaries: Canary[];
  /** "what in where": the secrets that the product returned to their owner, each exactly once. */
  told: string[];
};

export const exchangePath = (projectId: string) => `/v1/projects/${projectId}/credentials/exchange`;
export const inExchange = 'in the answer to POST /v1/projects/prj_…/credentials/exchange (200)';

export const named = (name: string, values: Iterable<string>): Canary[] =>
  [...values].map((value) => ({ name, value }));

/** Makes a secret that every encoding changes. */
export const marker = () => `~+/ $'"(${randomBytes(24).toString('hex')}`;
