import path from 'node:path';
import { CliFailure } from './failure.ts';
import { serverOf } from './git-request.ts';
import { parseOptions } from './options.ts';
import { readText, replaceFile } from './private-file.ts';
import type { World } from './world.ts';

/** `fairlead configure-git`: shows the lines that make git ask Fairlead for a host, or appends them to its configuration. */
export async function configureGit(world: World): Promise<number> {
  const { values, positionals } = parseOptions('configure-git', world.args, { write: { type: 'boolean' } });
  const [host = 'github.com', ...others] = positionals;
  if (others.length > 0) throw new CliFailure('fairlead configure-git accepts one host', 'usage');
  const server = requireServer(host);
  const section = sectionFor(server);
  const file = configurationFile(world);
  if (!values.write) {
    world.out(`# Add this to ${file}, or run the command with --write:\n${section}`);
    return 0;
  }
  const text = readText(file) ?? '';
  if (text.includes(section)) {
    world.out(`${file} has this section already.\n`);
    return 0;
  }
  const separator = text === '' || text.endsWith('\n') ? '' : '\n';
  replaceFile(file, `${text}${separator}${section}`, { keepMode: true });
  world.out(`Appended to ${file}:\n${section}`);
  return 0;
}

/** The empty helper clears the helpers configured before, so that git asks only Fairlead for this host. */
function sectionFor(server: string): string {
  return `[credential "${server}"]\n\thelper =\n\thelper = fairlead\n\tuseHttpPath = true\n`;
}

function requireServer(text: string): string {
  const [, protocol = 'https', host = ''] = /^(?:(https?):\/\/)?([^/]+)\/?$/.exec(text) ?? [];
  const server = serverOf(new Map(Object.entries({ protocol, host })));
  if (server) return server;
  throw new CliFailure('Expected a host, such as github.com', 'usage');
}

/** Returns the file that `git config --global` writes. */
function configurationFile({ env, home }: World): string {
  if (env['GIT_CONFIG_GLOBAL']) return env['GIT_CONFIG_GLOBAL'];
  const usual = path.join(home, '.gitconfig');
  const other = path.join(env['XDG_CONFIG_HOME'] || path.join(home, '.config'), 'git', 'config');
  return readText(usual) === undefined && readText(other) !== undefined ? other : usual;
}
