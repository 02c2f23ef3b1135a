/** The process that a command runs in. A command receives everything here, and reads nothing from the process itself. */
export type World = {
  args: string[];
  env: Record<string, string | undefined>;
  home: string;
  /** Reads standard input to its end. */
  input(): Promise<string>;
  /** Asks the person at the terminal, and hides the input if it is a secret. Throws if nothing is entered. */
  ask(question: string, options?: { secret?: boolean }): Promise<string>;
  hasTerminal: boolean;
  out(text: string): void;
  err(text: string): void;
};
