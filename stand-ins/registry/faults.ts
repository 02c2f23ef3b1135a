export type RegistryFault = {
  method?: string;
  /** Matched against the path, without the query. */
  path: RegExp;
  /** How often the fault occurs. Without it, the fault stays until it is cleared. */
  times?: number;
  /**
   * - `answer`: this status, with these headers and this body, and no effect
   * - `hang`: no answer
   * - `reset`: the connection breaks
   * - `huge`: an answer without an end
   */
  kind: 'answer' | 'hang' | 'reset' | 'huge';
  status?: number;
  headers?: Record<string, string>;
  body?: string;
};

/** The next faults. The fault that was added first occurs first. */
export function createRegistryFaults() {
  const faults: (RegistryFault & { left: number })[] = [];
  return {
    add(fault: RegistryFault): void {
      faults.push({ ...fault, left: fault.times ?? Number.POSITIVE_INFINITY });
    },
    clear(): void {
      faults.length = 0;
    },
    take(method: string, path: string): RegistryFault | undefined {
      const fault = faults.find((one) => one.left > 0 && (one.method ?? method) === method && one.path.test(path));
      if (fault) fault.left -= 1;
      return fault;
    },
  };
}
