import { type Logger as PinoLogger, pino } from 'pino';
import { redact, redactDeep } from './domain/secrets/redact.ts';

export type Logger = PinoLogger;

/** Fields that are never printed, at any of the three depths at which log records contain them. */
const secretFields = [
  'token',
  'secret',
  'authorization',
  'privateKey',
  'password',
  'cookie',
  'webhookSecret',
  'clientSecret',
];
const paths = secretFields.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);

/** Creates a logger that writes JSON lines. It redacts everything that looks like a token from messages and errors. */
export function createLogger(level: string, destination?: { write(line: string): void }): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths, censor: '[redacted]' },
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: (error: Error) => redactDeep(pino.stdSerializers.err(error)) },
      hooks: {
        logMethod(args, method) {
          method.apply(this, args.map((part) => (typeof part === 'string' ? redact(part) : part)) as typeof args);
        },
      },
    },
    destination ?? pino.destination(1),
  );
}
