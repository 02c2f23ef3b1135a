import { createHmac, randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { headersOf } from './load.ts';

/**
 * Sends the worst bodies that GitHub's limit of 25 MB allows, one after the other, until it is ended. Prints a line for
 * each response. `node bench/hostile-sender.ts <url> <app id> <secret>`.
 */
const [url = '', appId = '', secret = ''] = process.argv.slice(2);
const unique = `"unique":"unique-${randomUUID()}"`;
const installation = `${unique},"installation":{"id":5},"repository":{"id":5},"ref":"refs/heads/a"`;
const bodies = [
  // Millions of values, and one character that no database stores.
  `{${installation},"after":"${'a'.repeat(40)}","x":"\\u0000","a":[${'[],'.repeat(7_900_000)}[]]}`,
  // The facts come last.
  `{${unique},"a":[${'{"a":0},'.repeat(2_900_000)}{}],${installation}}`,
  // Deep.
  `{${unique},"a":${'['.repeat(11_900_000)}${']'.repeat(11_900_000)},${installation}}`,
  // One text of escapes.
  `{${unique},"a":"${'\\u0041'.repeat(3_900_000)}",${installation}}`,
].map((text) => Buffer.from(text));

function send(body: Buffer): Promise<number | undefined> {
  return new Promise((resolve) => {
    // A body that was stored before would cost less.
    body.write(randomUUID(), body.indexOf('unique-') + 'unique-'.length);
    const signature = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
    const headers = headersOf({ guid: randomUUID(), event: 'push', body: '', signature }, Number(appId));
    const sent = request(
      url,
      { method: 'POST', headers: { ...headers, 'content-length': body.length } },
      (response) => {
        response.resume().once('end', () => resolve(response.statusCode));
      },
    );
    sent.once('error', () => resolve(undefined));
    sent.end(body);
  });
}

process.once('SIGTERM', () => process.exit(0));
console.log('ready');
for (let next = 0; ; next += 1) console.log(await send(bodies[next % bodies.length] as Buffer));
