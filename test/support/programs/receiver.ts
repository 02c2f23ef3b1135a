import Koa from 'koa';
import { Registry } from 'prom-client';
import { createIntake } from '../../../api/deliveries/intake.ts';
import { createHookKeys } from '../../../api/deliveries/webhook-keys.ts';
import { webhookRoutes } from '../../../api/deliveries/webhooks.ts';
import { listen } from '../../../api/http/listen.ts';
import { mount } from '../../../api/http/mount.ts';
import { Problem } from '../../../api/http/problems.ts';
import { createRateLimiter } from '../../../api/http/rate-limit.ts';
import { requestFrame } from '../../../api/http/request-frame.ts';
import { loadConfig } from '../../../config.ts';
import { openStore } from '../../../db/store/open-store.ts';
import { createLogger } from '../../../log.ts';
import { createRelay } from '../../../worker/relay/relay.ts';
import { TemporalAway } from '../../../worker/temporal-starter.ts';

/**
 * A process with the parts of the product between a webhook and Temporal: its HTTP stack, its store and its relay. It
 * cannot reach Temporal. It starts much faster than the whole product, so a test can kill many of them. It loads its
 * code and then waits for SIGUSR2, because the previous process still has the port and the database.
 */
const going = new Promise((resolve) => process.once('SIGUSR2', resolve));
const staying = setInterval(() => {}, 60_000);
console.log('The receiver is loaded');
await going;

const config = loadConfig();
const logger = createLogger('warn');
const registry = new Registry();
const listening = await listen(config);
const { database, keyring } = await openStore(config);
const limiter = createRateLimiter(config.rateLimits, registry);
const hookKeys = createHookKeys({ database, keyring });
const intake = createIntake({ database, hookKeys, logger, registry });

const away = async () => {
  throw new TemporalAway('away');
};
const temporal = { start: away, signal: away, signalWithStart: away, isReachable: async () => false };
await createRelay({ database, temporal, logger, registry }).start();

const app = new Koa();
app.silent = true;
app.use(requestFrame({ logger, registry, links: { publicUrl: 'http://localhost' } }));
const authenticate = async () => {
  throw new Problem('unauthenticated');
};
const links = { publicUrl: config.publicUrl, temporalUiUrl: undefined, namespace: 'default' };
for (const middleware of mount(webhookRoutes({ intake, limiter }), { database, authenticate, links, limiter })) {
  app.use(middleware);
}
listening.serve(app.callback());
clearInterval(staying);
console.log('The receiver is ready');
