import fc from 'fast-check';

/**
 * Property tests import `fc` from here. They draw the same values in every run of `npm test`, so a failure is due to
 * the change and not to chance. `npm run test:fuzz` sets another seed for each round.
 */
const seed = process.env['FAIRLEAD_PROPERTY_SEED'];
const runs = process.env['FAIRLEAD_PROPERTY_RUNS'];

fc.configureGlobal({
  seed: seed === undefined ? 20_261_130 : Number(seed),
  ...(runs !== undefined && { numRuns: Number(runs) }),
});

/** For a property that needs more values than most: `npm run test:fuzz -- --runs` can only raise the number. */
export const atLeast = (numRuns: number) => ({ numRuns: Math.max(numRuns, Number(runs ?? 0)) });

export { fc };
