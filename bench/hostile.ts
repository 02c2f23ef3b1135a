import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { signedDeliveries } from './deliveries.ts';
import { headersOf } from './load.ts';
import { type Product, startProduct } from './subject.ts';

/**
 * `npm run bench:hostile`: compares the time to an acknowledgement when one sender delivers the worst 24 MB bodies, one
 * after the other, with the time without such a sender. The p99 must be at most three times as long.
 */
const appId = 4242;
const secret = randomBytes(24).toString('hex');
const everyMs = 20;
const seconds = 20;
const mostTimes = 3;

type Measured = { p50: number; p99: number; longest: number; refused: number; residentMiB: number };

/** Sends deliveries at a steady rate, whether or not the earlier ones got a response. */
async function measure({ url, residentMiB }: Product): Promise<Measured> {
  const deliveries = signedDeliveries((seconds * 1000) / everyMs, secret);
  let refused = 0;
  let mostMiB = 0;
  const times = await Promise.all(
    deliveries.map(async (delivery, index) => {
      await sleep(index * everyMs);
      if (index % 10 === 0) mostMiB = Math.max(mostMiB, residentMiB());
      const startedAt = performance.now();
      const { status } = await fetch(url, { method: 'POST', body: delivery.body, headers: headersOf(delivery, appId) });
      if (status !== 202) refused += 1;
      return performance.now() - startedAt;
    }),
  );
  times.sort((left, right) => left - right);
  const at = (part: number) => times[Math.floor((times.length - 1) * part)] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), longest: at(1), refused, residentMiB: mostMiB };
}

function startHostile(url: string) {
  const file = path.join(import.meta.dirname, 'hostile-sender.ts');
  const child = spawn(process.execPath, ['--import', 'tsx', file, url, String(appId), secret], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const answers: string[] = [];
  const ready = new Promise<void>((resolve) => {
    child.stdout.on('data', (chunk: Buffer) => {
      answers.push(...String(chunk).trim().split('\n'));
      resolve();
    });
  });
  return { ready, answers, stop: () => child.kill() };
}

function print(name: string, { p50, p99, longest, refused, residentMiB }: Measured): void {
  const cells = [p50, p99, longest, refused, residentMiB].map((value) => value.toFixed(0).padStart(10));
  console.log(name.padEnd(10) + cells.join(''));
}

const product = await startProduct(secret, appId);
try {
  await measure(product);
  const alone = await measure(product);
  const hostile = startHostile(product.url);
  await hostile.ready;
  const attacked = await measure(product);
  hostile.stop();
  console.log(
    `${''.padEnd(10)}${['p50 ms', 'p99 ms', 'max ms', 'refused', 'MiB'].map((one) => one.padStart(10)).join('')}`,
  );
  print('alone', alone);
  print('attacked', attacked);
  const [, ...statuses] = hostile.answers;
  console.log(`hostile bodies: ${statuses.length} in ${seconds} s, responses: ${[...new Set(statuses)].join(', ')}`);
  console.log(`p99 attacked ÷ alone: ${(attacked.p99 / alone.p99).toFixed(1)}`);
  if (attacked.p99 > mostTimes * alone.p99 || attacked.refused > 0) process.exitCode = 1;
} finally {
  await product.stop();
  product.remove();
}
