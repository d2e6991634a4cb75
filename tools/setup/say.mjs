// What set-up tells a person: one line for each thing that takes time, and errors that say what to do next.

const started = performance.now();

/** One progress line on standard error, so that standard output stays the job's own.
 * @param {string} text */
export function say(text) {
  process.stderr.write(`manyhands: ${text}\n`);
}

/** Seconds since set-up began, for a line that says how long something took. */
export const elapsed = () => `${((performance.now() - started) / 1000).toFixed(1)} s`;

/** A failure that is explained to the person who ran the command, without a stack. */
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
