// A few hundred answers over swarms in which things go wrong, in virtual time. `npm run soak -- sessions` runs
// thousands.
import { describe, expect, it } from "vitest";
import { runSession } from "../../../tools/sim/session-run.ts";

describe("an answer over a random swarm", () => {
  it("is that of a calm swarm or a beginning of it, ends, and leaves nothing open", async () => {
    const bad = [];
    let reroutes = 0;
    for (let seed = 500_000; seed < 500_200; seed++) {
      const result = await runSession(seed);
      reroutes += result.reroutes;
      if ((result.outcome !== "same" && result.outcome !== "stopped") || result.leaks.length > 0) bad.push(result);
    }
    expect(bad).toEqual([]);
    expect(reroutes).toBeGreaterThan(150);
  });

  it("is the same twice for the same seed", async () => {
    expect(await runSession(77)).toEqual(await runSession(77));
  });
});
