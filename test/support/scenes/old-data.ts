import { randomUUID } from 'node:crypto';
import { allBuilds, type Build } from '../../../db/builds/builds.ts';
import { dispatchesIn } from '../../../db/builds/dispatches.ts';
import { rerunBuild } from '../../../db/builds/rerun-build.ts';
import { allConnectFlows } from '../../../db/connect/connect-flows.ts';
import { flowStatesIn } from '../../../db/connect/flow-states.ts';
import { allDecisions } from '../../../db/deliveries/decisions.ts';
import { deliveryQueue } from '../../../db/deliveries/delivery-queue.ts';
import { largeBodiesIn } from '../../../db/deliveries/large-bodies.ts';
import { storeDeliveries } from '../../../db/deliveries/store-deliveries.ts';
import { allLeases } from '../../../db/exchange/leases.ts';
import { mintedTokensIn } from '../../../db/exchange/minted-tokens.ts';
import { allOperations } from '../../../db/ops/operations.ts';
import { allTokens } from '../../../db/people/tokens.ts';
import type { Database, Transaction } from '../../../db/store/connection.ts';
import type { BuildStatus } from '../../../domain/builds/build-status.ts';
import { newId } from '../../../domain/ids.ts';
import { keyring } from '../hooks.ts';
import type { World } from './world.ts';

/** Adds what Fairlead keeps for some time only, in the way in which the product adds it. */
export function oldData(database: Database, here: World) {
  const write = <Result>(work: (trx: Transaction) => Promise<Result>) => database.write(work);
  const { orgId, projectId, githubAppId, integrationId, installationId } = here;

  async function rerun(source: Build): Promise<Build> {
    const ended = (await allBuilds(database.reader).find(source.id)) ?? source;
    const done = await write((trx) => rerunBuild(trx, ended, { createdBy: 'system' }));
    if ('obstacle' in done) throw new Error(done.obstacle);
    return done.build;
  }

  /** Returns whether the webhook was known, and its id. */
  async function store(guid: string, body: Buffer, storedAs?: { id: string; size: number }) {
    const delivery = { githubAppId, providerDeliveryId: guid, event: 'push', contentKey: null, headers: {}, body };
    const [stored] = await write((trx) => storeDeliveries(trx, [{ ...delivery, ...(storedAs && { storedAs }) }]));
    if (!stored) throw new Error('The webhook was not stored');
    return stored;
  }

  return {
    write,
    rerun,
    store,

    async addDelivery({ guid = randomUUID() as string, body = Buffer.from('{}') } = {}): Promise<string> {
      return (await store(guid, body)).id;
    },

    /** The body is stored in parts. */
    async addLargeDelivery(parts: number, bytes: Buffer = Buffer.from('x')): Promise<string> {
      const id = newId('dlv');
      for (let part = 0; part < parts; part += 1) await write((trx) => largeBodiesIn(trx).addPart(id, part, bytes));
      return (await store(randomUUID(), Buffer.alloc(0), { id, size: parts * bytes.length })).id;
    },

    decide(id: string, status: 'processed' | 'ignored' | 'failed' = 'processed', reason = 'builds_created') {
      return write((trx) => deliveryQueue(trx).finish([id], { status, reason, orgId }));
    },

    addDecision(deliveryId: string, { id: buildId, pipeline: { id: pipelineId } }: Build) {
      const claim = { deliveryId, pipelineId, orgId, projectId };
      return write((trx) => allDecisions(trx).add({ ...claim, outcome: 'build', reason: 'matched', buildId }));
    },

    /** A build of a pipeline, or a rerun of a build. It goes through all statuses before the last one. */
    async addBuild(of: string | Build, last: BuildStatus = 'succeeded'): Promise<Build> {
      const build = typeof of === 'string' ? await here.newBuild({}, of) : await rerun(of);
      await write((trx) => dispatchesIn(trx).intend(build.id));
      const path: BuildStatus[] = last === 'queued' ? [] : ['dispatching', 'running', last];
      for (const to of path) await write((trx) => allBuilds(trx).moveStatus(build.id, to));
      return build;
    },

    /** A lease on a token of its own, which expires in an hour. */
    async addLease(buildId: string | null = null): Promise<{ lease: string; token: string }> {
      const expiresAt = Date.now() + 3_600_000;
      const minted = { orgId, integrationId, installationId, token: randomUUID(), expiresAt };
      const mintedTokenId = await write((trx) => mintedTokensIn(trx).insert(minted, keyring));
      const { id } = await write((trx) =>
        allLeases(trx).insert({
          ...{ orgId, projectId, integrationId, appId: null, buildId, mintedTokenId, expiresAt },
          ...{ purpose: 'clone', scope: { repositories: [], permissions: {} }, holder: 'operator' },
        }),
      );
      return { lease: id, token: mintedTokenId };
    },

    async addOperation(kind: string, isEnded = true): Promise<string> {
      const work = { kind, subjectId: integrationId, workflowId: `${kind}/${integrationId}` };
      const { id } = await write((trx) => allOperations(trx).insert({ orgId, projectId, ...work }));
      if (isEnded) await write((trx) => allOperations(trx).end(id));
      return id;
    },

    async addToken(expiresAt: number | null, createdBy = 'system', buildId?: string): Promise<string> {
      const token = { orgId, projectId, name: 'ci', scopes: [], createdBy, expiresAt, ...(buildId && { buildId }) };
      return (await write((trx) => allTokens(trx).insert(token))).token.id;
    },

    async addFlow(kind: 'manifest' | 'operator', app: string = githubAppId, isEnded = true): Promise<string> {
      const { id } = await write((trx) =>
        allConnectFlows(trx).insert({
          ...{ orgId, projectId, kind, createdBy: 'system', githubAppId: app, integrationId: null, displayName: null },
          ...{ hostUrl: 'https://github.com', apiUrl: 'https://api.github.com', appName: 'Fairlead', appPublic: false },
          ...{ accountLogin: null, accountId: null, redirectUrl: null, claimedInstallation: null },
          expiresAt: Date.now() + 24 * 3_600_000,
        }),
      );
      await write((trx) => flowStatesIn(trx).issue(id, 'install'));
      if (isEnded) await write((trx) => allConnectFlows(trx).move(id, 'expired'));
      return id;
    },
  };
}
