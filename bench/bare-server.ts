import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';

/**
 * The server that every intake is compared with. It reads the body and responds. With `--hmac` it also checks the
 * signature.
 */
const key = process.argv.includes('--hmac') ? createSecretKey(Buffer.from(process.argv.at(-1) ?? '')) : undefined;

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const body = Buffer.concat(chunks);
    if (key) {
      const given = Buffer.from(String(request.headers['x-hub-signature-256']).slice('sha256='.length), 'hex');
      const right = createHmac('sha256', key).update(body).digest();
      if (given.length !== right.length || !timingSafeEqual(given, right)) {
        response.writeHead(401).end();
        return;
      }
    }
    response.writeHead(202, { 'content-type': 'application/json' }).end('{"duplicate":false}');
  });
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  console.log(`listening ${typeof address === 'object' ? address?.port : ''}`);
});
