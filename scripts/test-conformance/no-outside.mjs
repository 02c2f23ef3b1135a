import dns from 'node:dns';
import promises from 'node:dns/promises';
import { syncBuiltinESMExports } from 'node:module';

// Makes every public name unknown to the product's process, which loads this file with `--import`. Prevents a real
// service from receiving the made-up registries and passwords of the run.
const unknown = (name) => Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), { code: 'ENOTFOUND' });
const isOurs = (name) => name === 'localhost' || /^[\d.:]+$/.test(name);

const { lookup } = dns;
dns.lookup = (name, options, done = options) => {
  if (isOurs(name)) lookup(name, options, done);
  else process.nextTick(done, unknown(name));
};
const { lookup: lookupLater } = promises;
promises.lookup = async (name, options) => {
  if (isOurs(name)) return lookupLater(name, options);
  throw unknown(name);
};
syncBuiltinESMExports();
