// What set-up says to a person: a line for each step that takes time, and errors that say what to do next.

const started = performance.now();

/** Writes a line of progress to standard error, so that standard output belongs to the command. @param {string} text */
export function say(text) {
  process.stderr.write(`manyhands: ${text}\n`);
}

/** Returns the seconds since set-up began, for a line that says how long a step took. */
export const elapsed = () => `${((performance.now() - started) / 1000).toFixed(1)} s`;

/** A failure that is explained to the person who ran the command, without a stack trace. */
export class SetupError extends Error {
  /**
   * @param {string} what what happened
   * @param {string} next what to do about it
   */
  constructor(what, next) {
    super(`${what}\n  ${next.replaceAll("\n", "\n  ")}`);
    this.name = "SetupError";
  }
}
