export const usage = `Usage: npm run test:fuzz -- [options] [test files]

Runs every property test on random seeds until the time has passed or a test fails.

Options:
  --minutes N   how long to run, such as 5 or 0.5 (default: 1)
  --seed S      run one round on this seed, to repeat a failure
  --runs N      how many values each property draws in a round (default: 1000)
  --help        show this text

Without test files, it runs every property test: the files in test/ that import
test/support/properties.ts.
Exit codes: 0 no failure, 1 a property failed, 2 usage error.`;

/** A mistake in the command line. The message is for the person who typed the command. */
export class UsageError extends Error {}

/** Reads the arguments of `npm run test:fuzz`. Throws a `UsageError`. */
export function readOptions(args) {
  const options = { minutes: 1, seed: undefined, runs: 1000, files: [], help: false };
  const left = [...args];
  while (left.length > 0) {
    const [name, attached] = splitAtEquals(left.shift());
    if (name === '--help' || name === '-h') options.help = true;
    else if (name === '--minutes') options.minutes = minutesIn(valueFor(name, attached, left));
    else if (name === '--seed')
      options.seed = wholeNumberIn(name, valueFor(name, attached, left), -(2 ** 31), 2 ** 31 - 1);
    else if (name === '--runs') options.runs = wholeNumberIn(name, valueFor(name, attached, left), 1, 1_000_000);
    else if (name.startsWith('-')) throw new UsageError(`Unknown option ${name}`);
    else options.files.push(name);
  }
  return options;
}

function splitAtEquals(argument) {
  const at = argument.startsWith('--') ? argument.indexOf('=') : -1;
  return at < 0 ? [argument, undefined] : [argument.slice(0, at), argument.slice(at + 1)];
}

function valueFor(name, attached, left) {
  const value = attached ?? left.shift();
  if (value === undefined || value === '') throw new UsageError(`${name} needs a value`);
  return value;
}

function minutesIn(text) {
  const minutes = /^\d+(?:\.\d+)?$/.test(text) ? Number(text) : 0;
  if (minutes > 0 && minutes <= 1440) return minutes;
  throw new UsageError(`--minutes must be a number above 0 and at most 1440, not "${text}"`);
}

function wholeNumberIn(name, text, least, most) {
  const number = /^-?\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= least && number <= most) return number;
  throw new UsageError(`${name} must be a whole number from ${least} to ${most}, not "${text}"`);
}
