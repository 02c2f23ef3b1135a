/** What a command knows of the process that it runs in; everything is handed in, nothing is taken. */
export type World = {
  args: string[];
  env: Record<string, string | undefined>;
  home: string;
  /** Standard input to its end. */
  input(): Promise<string>;
  /** Asks the person at the terminal, without showing what they type where it is a secret; throws where there is none. */
  ask(question: string, options?: { secret?: boolean }): Promise<string>;
  hasTerminal: boolean;
  out(text: string): void;
  err(text: string): void;
};
