// Stop strings: nothing of one is shown, however the answer is split into pieces.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { StopStrings } from "../../../../src/model/text/stop-strings.ts";

describe("stop strings", () => {
  const run = (pieces: readonly string[], stops: readonly string[]): { shown: string; stopped: boolean } => {
    const watch = new StopStrings(stops);
    let shown = "";
    for (const piece of pieces) {
      const step = watch.push(piece);
      shown += step.text;
      if (step.stopped) return { shown, stopped: true };
    }
    return { shown: shown + watch.flush(), stopped: false };
  };
  const small = fc.string({ unit: fc.constantFrom("a", "b", "\n"), maxLength: 12 });

  test("cut the text at the first of them, however it is split", () => {
    fc.assert(
      fc.property(fc.array(small, { maxLength: 10 }), fc.array(small, { maxLength: 3 }), (pieces, stops) => {
        const whole = pieces.join("");
        const found = stops
          .filter((stop) => stop !== "")
          .map((stop) => whole.indexOf(stop))
          .filter((at) => at >= 0);
        const { shown, stopped } = run(pieces, stops);
        expect(stopped).toBe(found.length > 0);
        // Of two stop strings that overlap, the one that is complete first ends the answer.
        if (stopped) expect(whole.startsWith(shown) && stops.every((stop) => stop === "" || !shown.includes(stop))).toBe(true);
        else expect(shown).toBe(whole);
      }),
    );
  });

  test("hold back no more than may still become a stop string", () => {
    const watch = new StopStrings(["<end>"]);
    expect(watch.push("a <")).toEqual({ text: "a ", stopped: false });
    expect(watch.push("em")).toEqual({ text: "<em", stopped: false });
    expect(watch.push("<en")).toEqual({ text: "", stopped: false });
    expect(watch.push("d> more")).toEqual({ text: "", stopped: true });
  });
});
