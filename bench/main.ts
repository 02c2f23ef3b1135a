import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { type SignedDelivery, signedDeliveries } from './deliveries.ts';
import { headersOf, type Load, sendAll } from './load.ts';
import { newFolder, type Subject, startBare, startProduct } from './subject.ts';

/**
 * `npm run bench`: compares a durable acknowledgement with a bare `node:http` server, in ratios from one run. `--quick`
 * is one round without thresholds. The stored rows must equal the acknowledged deliveries.
 */
const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false } } });
const rounds = values.quick ? 1 : 5;
const count = values.quick ? 4_000 : 12_000;
const connections = 64;
const appId = 4242;
const secret = randomBytes(24).toString('hex');
const floors = { 'ack ÷ bare': 0.17, 'ack ÷ (bare + HMAC)': 0.35 };

type Measured = Load & { cpuMicros: number };

async function measure(subject: Subject, deliveries: SignedDelivery[]): Promise<Measured> {
  await sendAll(subject.url, signedDeliveries(500, secret), { connections, appId });
  const before = subject.cpuSeconds();
  const load = await sendAll(subject.url, deliveries, { connections, appId });
  return { ...load, cpuMicros: ((subject.cpuSeconds() - before) / deliveries.length) * 1e6 };
}

async function measureBare(hmac: boolean): Promise<Measured> {
  const subject = await startBare(hmac ? secret : undefined);
  return measure(subject, signedDeliveries(count, secret)).finally(() => subject.stop());
}

async function measureIntake(): Promise<Measured> {
  const product = await startProduct(secret, appId);
  try {
    const fresh = signedDeliveries(count, secret);
    // One in a hundred is sent twice, and must create no new row.
    const repeated = fresh.map((delivery, index) => (index % 100 === 99 ? (fresh[index - 50] ?? delivery) : delivery));
    const measured = await measure(product, repeated);
    await product.stop();
    const distinct = new Set(repeated.map(({ guid }) => guid)).size + 500;
    const stored = await product.storedDeliveries();
    expectEqual('rows stored after the run', stored, distinct);
    if (measured.refused > 0) throw new Error(`${measured.refused} deliveries were not acknowledged`);
    return measured;
  } finally {
    product.remove();
  }
}

/** Kills the product during a load. Every acknowledged delivery must be there after a restart. */
async function verifyKill(): Promise<void> {
  const folder = newFolder();
  const product = await startProduct(secret, appId, folder);
  let acknowledged = 0;
  const deliveries = signedDeliveries(2_000, secret);
  const sent = deliveries.map(async (delivery) => {
    const headers = headersOf(delivery, appId);
    const response = await fetch(product.url, { method: 'POST', body: delivery.body, headers });
    if (response.status === 202) acknowledged += 1;
    if (acknowledged === 500) void product.kill();
  });
  await Promise.allSettled(sent);
  await product.kill();
  const stored = await product.storedDeliveries();
  product.remove();
  if (stored < acknowledged)
    throw new Error(`kill -9: ${acknowledged} were acknowledged, but only ${stored} are stored`);
  console.log(`kill -9 in mid-run: ${acknowledged} acknowledged, ${stored} stored, none lost`);
}

function expectEqual(what: string, is: number, should: number): void {
  if (is !== should) throw new Error(`${what}: ${is}, but it should be ${should}`);
  console.log(`${what}: ${is}, as it should be`);
}

/** Returns how often per second the disk can sync, which is the minimum cost of a durable response. */
function fsyncsPerSecond(): number {
  const file = path.join(tmpdir(), `fairlead-fsync-${process.pid}`);
  const descriptor = openSync(file, 'w');
  const started = performance.now();
  const times = 50;
  for (let index = 0; index < times; index += 1) {
    writeSync(descriptor, 'x'.repeat(4096));
    fsyncSync(descriptor);
  }
  const seconds = (performance.now() - started) / 1000;
  closeSync(descriptor);
  rmSync(file);
  return times / seconds;
}

function median(numbers: number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function print(name: string, runs: Measured[]): void {
  const column = (pick: (run: Measured) => number, digits = 0) => median(runs.map(pick)).toFixed(digits).padStart(9);
  console.log(
    name.padEnd(16) +
      column((run) => run.perSecond) +
      column((run) => run.p50, 1) +
      column((run) => run.p99, 1) +
      column((run) => run.cpuMicros),
  );
}

console.log(
  `${cpus().length} cores, load ${loadavg()[0]?.toFixed(2)}, ${fsyncsPerSecond().toFixed(0)} fsync/s, Node ${process.version}, ${count} deliveries, ${connections} connections, ${rounds} round(s)`,
);
const bare: Measured[] = [];
const hmac: Measured[] = [];
const ours: Measured[] = [];
for (let round = 0; round < rounds; round += 1) {
  bare.push(await measureBare(false));
  hmac.push(await measureBare(true));
  ours.push(await measureIntake());
  bare.push(await measureBare(false));
}
await verifyKill();

console.log(
  `\n${'mode'.padEnd(16)}${'req/s'.padStart(9)}${'p50 ms'.padStart(9)}${'p99 ms'.padStart(9)}${'CPU µs'.padStart(9)}`,
);
print('bare', bare);
print('bare + HMAC', hmac);
print('our intake', ours);

const speed = (runs: Measured[]) => median(runs.map(({ perSecond }) => perSecond));
const ratios = { 'ack ÷ bare': speed(ours) / speed(bare), 'ack ÷ (bare + HMAC)': speed(ours) / speed(hmac) };
const cpuRatio = median(ours.map((run) => run.cpuMicros)) / median(bare.map((run) => run.cpuMicros));
for (const [name, ratio] of Object.entries(ratios)) console.log(`${name}: ${ratio.toFixed(3)}`);
console.log(`CPU per acknowledgement ÷ bare: ${cpuRatio.toFixed(1)}`);

const bareSpeeds = bare.map(({ perSecond }) => perSecond);
const steady = Math.max(...bareSpeeds) <= 2 * Math.min(...bareSpeeds);
if (!steady) console.log('bare varied by more than a factor of two: no verdict');
else if (!values.quick) {
  const below = Object.entries(floors).filter(([name, floor]) => ratios[name as keyof typeof ratios] < floor);
  for (const [name, floor] of below) console.log(`below its floor: ${name} < ${floor}`);
  if (below.length > 0 || cpuRatio > 6) process.exitCode = 1;
}
