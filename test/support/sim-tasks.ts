// Numbered tasks in a simulated swarm, and the outputs that they must have.
import { afterEach } from "vitest";
import { toHex } from "../../src/shared/bytes.ts";
import { errorCode } from "../../src/shared/errors.ts";
import type { Settled } from "../../src/tasks/dispatch/task-record.ts";
import { numbered, rightOutput, TaskSwarm } from "../../tools/sim/task-swarm.ts";

/** Returns a function that makes swarms, which end with their test. To be called once in a file. */
export function swarmMaker(): (seed: number) => TaskSwarm {
  let open: TaskSwarm[] = [];
  afterEach(() => {
    for (const swarm of open) swarm.over.abort();
    open = [];
  });
  return (seed) => {
    const swarm = new TaskSwarm(seed);
    open.push(swarm);
    return swarm;
  };
}

/** Outputs in hexadecimal, or the codes of the errors. */
export const outputs = (results: readonly PromiseSettledResult<Settled>[]): string[] =>
  results.map((result) => (result.status === "fulfilled" ? toHex(result.value.output) : String(errorCode(result.reason))));
/** The right outputs of the tasks that `many` submits. */
export const right = (count: number): string[] => Array.from({ length: count }, (_, at) => toHex(rightOutput(numbered(at))));
export const many = (swarm: TaskSwarm, count: number) => Array.from({ length: count }, (_, at) => swarm.submit(numbered(at)));
