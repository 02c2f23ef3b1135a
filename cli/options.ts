import { type ParseArgsConfig, parseArgs } from 'node:util';
import { CliFailure } from './failure.ts';

type Options = NonNullable<ParseArgsConfig['options']>;

/** The arguments of a command. What it does not know is named, never its value: that may be a token. */
export function parseOptions<const Known extends Options>(command: string, args: string[], options: Known) {
  try {
    return parseArgs({ args, options, allowPositionals: true, strict: true });
  } catch (error) {
    const name = /'(--?[\w-]+)/.exec((error as Error).message)?.[1];
    throw new CliFailure(
      `fairlead ${command} does not take ${name ? `${name} that way` : 'this'}: see \`fairlead --help\``,
      'usage',
    );
  }
}
