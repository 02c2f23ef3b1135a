type Step = {
  name: string;
  /** The command that `bash -c` runs. */
  command: string;
  /** The budget in seconds. A step without a budget only installs something. */
  budget?: number;
  /** Whether the command runs tests, and writes a report to the file that FAIRLEAD_TEST_REPORT names. */
  suite?: boolean;
};

export function runSteps(
  steps: Step[],
  options: {
    folder: string;
    env: NodeJS.ProcessEnv;
    /** The most seconds for all steps that have a budget. */
    totalBudget?: number;
    signal?: AbortSignal;
    stdio?: 'inherit' | 'ignore';
  },
): Promise<{ summary: string; ok: boolean }>;
