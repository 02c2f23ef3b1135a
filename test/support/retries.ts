/**
 * The tests that the gate retries once when they fail. Each depends on something outside the test that can fail by
 * chance, and its reason says what. A local run retries nothing. The gate prints the tests that needed the retry.
 */
export const retries: { file: string; test: string; reason: string }[] = [];
