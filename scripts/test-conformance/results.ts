/** The part of Schemathesis' JSON report that counts. */
export type RunReport = {
  complete: boolean;
  stop_reason: string;
  operations: { total: number; selected: number; tested: number; errored: number; skipped: number };
  test_cases: { generated: number };
  failures: { title: string; operations: string[] }[];
  errors: unknown[];
};

export type Counts = { passed: number; failed: number; problems: string[] };

/**
 * Counts each operation of a run once. An operation fails if a check found something. A run also fails if it is not
 * complete or left an operation out.
 */
export function countsOf(name: string, report: RunReport | undefined, operations: number): Counts {
  if (!report) return { passed: 0, failed: 1, problems: [`${name}: wrote no report`] };
  const { complete, stop_reason: reason, operations: ran, test_cases: cases, failures, errors } = report;
  const found = failures.flatMap(({ title, operations: of }) => of.map((one) => `${one}: ${title}`));
  const failing = new Set(failures.flatMap(({ operations: of }) => of)).size;
  const problems = [
    ...found,
    ...errors.map((error) => `an error: ${JSON.stringify(error).slice(0, 500)}`),
    ...(complete ? [] : [`ended early: ${reason}`]),
    ...(ran.tested === operations && ran.selected === operations
      ? []
      : [`tested ${ran.tested} of ${operations} operations`]),
    ...(cases.generated > 0 ? [] : ['sent nothing']),
  ];
  const passed = Math.max(0, ran.tested - failing);
  const failed = problems.length === 0 ? 0 : Math.max(failing, 1);
  return { passed, failed, problems: problems.map((problem) => `${name}: ${problem}`) };
}

/** Returns how many operations of the document have a response below 400 in the server's metrics. */
export function operationsThatSucceeded(metrics: string): number {
  const found = metrics.matchAll(
    /^fairlead_http_request_duration_seconds_count\{method="(\w+)",route="([^"]+)",status="[23]\d\d"\}/gm,
  );
  return new Set([...found].map(([, method, route]) => `${method} ${route}`)).size;
}
