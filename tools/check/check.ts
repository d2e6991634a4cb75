// What a static check is: its name, how it runs, and what came of it.
import type { Finished } from "../setup/process.mjs";

export interface Outcome {
  readonly passed: boolean;
  readonly output: string;
  /** Passed, but its output is worth reading. */
  readonly warns?: boolean;
}

export interface CheckContext {
  readonly root: string;
  /** Runs a tool by its file under node_modules, on this Node. */
  readonly run: (file: string, args: readonly string[]) => Promise<Finished>;
  /** Files of the project, tracked or new, by their paths from the root; what git ignores is left out. */
  readonly files: () => Promise<readonly string[]>;
}

export interface Check {
  readonly name: string;
  readonly about: string;
  readonly run: (context: CheckContext) => Promise<Outcome>;
}
