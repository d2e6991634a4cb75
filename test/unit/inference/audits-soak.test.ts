// A thousand audited answers over honest swarms in virtual time, some of whose peers are killed, and swarms with
// cheats. No honest peer is accused, and every cheat is caught in the first answer that is audited. `npm run soak --
// audits` runs more.
import { describe, expect, it } from "vitest";
import { CHEATS, runAudits } from "../../../tools/sim/audit-run.ts";

describe("audits", () => {
  it("of 1,000 honest answers raise no alarm, and get rarer", async () => {
    let audited = 0;
    const alarms: string[] = [];
    let [work, again] = [0, 0];
    for (let seed = 900_000; audited < 1000; seed++) {
      const run = await runAudits(seed, { answers: 50, killed: 0.1 });
      audited += run.audited;
      alarms.push(...run.alarms);
      work += run.answerWork;
      again += run.auditWork;
    }
    expect(alarms).toEqual([]);
    expect(again / work).toBeLessThan(0.3);
  });

  for (const [name, cheat] of Object.entries(CHEATS))
    it(`find ${name} in the first answer that is audited`, async () => {
      let caught = 0;
      for (let seed = 800_000; seed < 800_010; seed++) {
        const { verdict, alarms } = await runAudits(seed, { answers: 5, ...cheat });
        expect(alarms).toEqual([]);
        if (verdict === undefined) continue; // other peers answered
        expect(verdict).toBe("wrong");
        caught++;
      }
      expect(caught).toBeGreaterThan(5);
    });
});
