import fc from 'fast-check';

/**
 * Property tests take `fc` from here: they draw the same values in every run of `npm test`, so that a failure is about
 * the change and not about chance. `npm run test:fuzz` sets another seed for each round.
 */
const seed = process.env['FAIRLEAD_PROPERTY_SEED'];
const runs = process.env['FAIRLEAD_PROPERTY_RUNS'];

fc.configureGlobal({
  seed: seed === undefined ? 20_261_130 : Number(seed),
  ...(runs !== undefined && { numRuns: Number(runs) }),
});

export { fc };
