import dns from 'node:dns/promises';
import { syncBuiltinESMExports } from 'node:module';
import { Socket } from 'node:net';

/**
 * Resolves the host names of clouds to stand-ins on this machine. The product's process loads it with `--import`. The
 * query of the import says which port each name has (`cloud-names.mjs?sts.eu-west-1.amazonaws.com=40123`). The product
 * still connects to the real names, and checks the certificates for those names.
 */
const ports = new URL(import.meta.url).searchParams;

const { lookup } = dns;
dns.lookup = (name, options) =>
  ports.has(name) ? Promise.resolve([{ address: '127.0.0.1', family: 4 }]) : lookup(name, options);

const { connect } = Socket.prototype;
Socket.prototype.connect = function connectToStandIn(options, ...others) {
  const port = ports.get(options?.servername || options?.host);
  return connect.call(this, port ? { ...options, host: '127.0.0.1', port: Number(port) } : options, ...others);
};
syncBuiltinESMExports();
