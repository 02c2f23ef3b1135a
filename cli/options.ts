import { type ParseArgsConfig, parseArgs } from 'node:util';
import { CliFailure } from './failure.ts';

type Options = NonNullable<ParseArgsConfig['options']>;

/** Parses the arguments of a command. An error names the option, but never its value, which might be a token. */
export function parseOptions<const Known extends Options>(command: string, args: string[], options: Known) {
  try {
    return parseArgs({ args, options, allowPositionals: true, strict: true });
  } catch (error) {
    const name = /'(--?[\w-]+)/.exec((error as Error).message)?.[1];
    throw new CliFailure(
      `fairlead ${command}: invalid use of ${name ?? 'the arguments'}. See \`fairlead --help\``,
      'usage',
    );
  }
}
