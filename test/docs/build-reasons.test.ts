import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { type BuildReason, buildReasons, decisionReasons, deliveryReasons } from '../../domain/builds/build-reasons.ts';
import type { GitHubErrorCode } from '../../domain/ops/provider-failures.ts';
import { readPage, root } from '../support/docs.ts';

const page = readPage('docs/builds.md').text;

/** Returns the codes in the first column of the tables of a section. */
function codesIn(section: string): string[] {
  const [, text = ''] = new RegExp(`^## ${section}\\n(.*?)(?=^## |(?![^]))`, 'ms').exec(page) ?? [];
  const cells = [...text.matchAll(/^\| (`[^|]*) \|/gm)].map(([, cell = '']) => cell);
  return cells.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, code = '']) => code));
}

test.each([
  { section: 'Build reasons', reasons: buildReasons },
  { section: 'Decision reasons', reasons: decisionReasons },
  { section: 'Delivery reasons', reasons: deliveryReasons },
])('the section $section explains each reason once', ({ section, reasons }) => {
  expect(codesIn(section).sort()).toEqual([...new Set(reasons)].sort());
});

/** The code that gives a build, a decision or a delivery its reason. */
const sources = [
  'activities/builds',
  'db/builds',
  'domain/builds',
  'worker/deliveries',
  'worker/relay',
  'workflows/dispatch-build.ts',
  'domain/deliveries/github-events.ts',
  'db/github/follow-repositories.ts',
  'db/deletion/owner-deletion.ts',
  'db/integrations/usable-integrations.ts',
  'api/builds',
  'api/integrations/grants.ts',
];

/** What gives a reason: a field, a constant, a refusal, a cancellation, a status of a trigger. */
const givesReason =
  /(?:\breason(?:: | = )|Deleted = |Removed = |uncertainCode = |Refusal\(|skipped\(|countFailure\(.*|cancelBuild\(.*)'(\w+)'/g;
/** Functions of these files return a reason as a string. */
const returnsReason = /\breturn (?:.* : )?'([a-z_]+)'/g;
const returning = [
  'worker/deliveries/decide-pipelines.ts',
  'worker/deliveries/decide-delivery.ts',
  'db/builds/rerun-build.ts',
];

function filesOf(source: string): string[] {
  if (!statSync(path.join(root, source)).isDirectory()) return [source];
  return readdirSync(path.join(root, source)).map((name) => path.posix.join(source, name));
}

test('every reason in the code is in the list', () => {
  const known = new Set<string>([...buildReasons, ...decisionReasons, ...deliveryReasons]);
  const given = sources.flatMap(filesOf).flatMap((file) => {
    const { text } = readPage(file);
    const found = [...text.matchAll(givesReason), ...(returning.includes(file) ? text.matchAll(returnsReason) : [])];
    return found.map(([, code = '']) => code);
  });
  expect(new Set(given).size).toBeGreaterThan(50);
  expect([...new Set(given)].filter((code) => !known.has(code))).toEqual([]);
});

type Passing = 'clock_skew' | 'rate_limited' | 'secondary_limited' | 'unavailable' | 'network' | 'timeout';
type OfConnecting =
  | 'manifest_code_refused'
  | 'conversion_unauthorized'
  | 'oauth_code_refused'
  | 'client_credentials_rejected'
  | 'redirect_uri_mismatch';

test('every other code of GitHub can be the reason of a build', () => {
  // The compiler checks that the reasons have each code. A build says `repository_gone` for `not_found` and `gone`.
  type Refusals = Exclude<GitHubErrorCode, Passing | OfConnecting | 'not_found' | 'gone'>;
  const refusals: Record<Refusals, BuildReason> = {
    app_credentials_rejected: 'app_credentials_rejected',
    installation_suspended: 'installation_suspended',
    installation_gone: 'installation_gone',
    token_rejected: 'token_rejected',
    permission_missing: 'permission_missing',
    policy: 'policy',
    address_refused: 'address_refused',
    moved: 'moved',
    conflict: 'conflict',
    validation: 'validation',
    unexpected: 'unexpected',
    workflow_file_missing: 'workflow_file_missing',
    workflow_not_dispatchable: 'workflow_not_dispatchable',
    workflow_inputs_undeclared: 'workflow_inputs_undeclared',
    workflow_inputs_too_many: 'workflow_inputs_too_many',
    workflow_disabled: 'workflow_disabled',
    actions_disabled: 'actions_disabled',
    ref_missing: 'ref_missing',
  };
  expect(buildReasons).toEqual(expect.arrayContaining(Object.values(refusals)));
});
