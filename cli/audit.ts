import { apiOf } from './api.ts';
import { CliFailure, plain } from './failure.ts';
import { type Account, chooseAccount } from './logins.ts';
import { parseOptions } from './options.ts';
import { checkId, checkUrl, readSettings, type Settings } from './settings.ts';
import type { World } from './world.ts';

const options = { url: { type: 'string' }, org: { type: 'string' }, head: { type: 'string' } } as const;

/** Runs `fairlead audit verify`: checks that the audit log was not changed, and prints the head to keep. */
export async function audit(world: World): Promise<number> {
  const { values, positionals } = parseOptions('audit', world.args, options);
  if (positionals.length !== 1 || positionals[0] !== 'verify') {
    throw new CliFailure('fairlead audit has one command: fairlead audit verify', 'usage');
  }
  const settings = readSettings(world);
  const url = values.url ? checkUrl(values.url, '--url') : settings.url;
  const org = values.org ? checkId('org', values.org, '--org') : undefined;
  const head = values.head === undefined ? undefined : checkHead(values.head);
  const query = new URLSearchParams({ ...(org && { org_id: org }), ...(head && { head }) });
  const api = apiOf(accountFor({ ...settings, url }), settings);
  const verdict = await api('GET', `/v1/audit/verify?${query}`);

  const { intact, finding, detail, length, head: found, first_bad_sequence: at, first_bad_event: event } = verdict;
  const chain = org ? `of ${org}` : 'of the instance';
  if (typeof intact !== 'boolean' || typeof finding !== 'string' || typeof found !== 'string') {
    throw new CliFailure('Fairlead’s response is incomplete: does the version of this command match the instance?');
  }
  if (!intact) {
    const where = [at === null ? '' : `position ${at}`, event === null ? '' : `event ${event}`].filter(Boolean);
    const place = where.length > 0 ? ` at ${where.join(', ')}` : '';
    throw new CliFailure(plain(`The audit chain ${chain} is not intact (${finding}${place}): ${detail}`));
  }
  world.out(plain(`The audit chain ${chain} is intact: ${length} rows, head ${found}`));
  world.out('\n');
  return 0;
}

/** A token from the environment needs no project, because the operator’s token belongs to none. */
function accountFor(settings: Settings): Pick<Account, 'url' | 'token' | 'from'> {
  const { url, token } = settings;
  return url && token ? { url, token, from: 'environment' } : chooseAccount(settings);
}

function checkHead(text: string): string {
  if (/^\d{1,15}:([\w-]{1,32}\.[0-9a-f]{64})?$/.test(text)) return text;
  throw new CliFailure('--head must be a head that `fairlead audit verify` has printed', 'usage');
}
