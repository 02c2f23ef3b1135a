/**
 * The tests that the gate retries once when they fail. Each depends on something outside the test that can fail by
 * chance, and its reason says what. A local run retries nothing. The gate prints the tests that needed the retry.
 */
export const retries: { file: string; test: string; reason: string }[] = [
  {
    file: 'test/browser/connect.test.ts',
    test: 'continues after a restart in the middle, and shows the account that owns the App',
    reason:
      'The kill can come while a step runs. Temporal starts the step again only after its timeouts, which can add up to 35 s.',
  },
];
