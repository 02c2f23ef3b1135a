type Step = {
  name: string;
  /** For `bash -c`. */
  command: string;
  /** Seconds. A step without one only installs something. */
  budget?: number;
  /** The command runs tests, and writes a report of them to the file that FAIRLEAD_TEST_REPORT names. */
  suite?: boolean;
};

export function runSteps(
  steps: Step[],
  options: { folder: string; env: NodeJS.ProcessEnv; stdio?: 'inherit' | 'ignore' },
): { summary: string; ok: boolean };
