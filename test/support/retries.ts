/**
 * The tests that the gate repeats once when they fail. Each is here because it depends on something outside the test
 * that can fail by chance, and says what. A local run repeats nothing. The gate prints which of them needed it.
 */
export const retries: { file: string; test: string; reason: string }[] = [];
