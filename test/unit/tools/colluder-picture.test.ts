// The curve for colluders draws exactly the figures that were measured.
import { expect, it } from "vitest";
import { colluderPicture } from "../../../tools/soak/parts/colluder-picture.ts";

it("draws each figure at its place, and labels it", () => {
  const points = [
    { part: 0, settledWrong: 0 },
    { part: 0.25, settledWrong: 0.01 },
    { part: 0.5, settledWrong: 0.08 },
  ];
  const picture = colluderPicture(points, 0.2, "measured so");
  const [first, second, third] = [...picture.matchAll(/<circle [^>]*cx="([\d.]+)" cy="([\d.]+)"/g)].map(([, x, y]) => ({
    x: Number(x),
    y: Number(y),
  }));
  if (first === undefined || second === undefined || third === undefined) throw new Error("there must be a dot for each figure");
  expect(second.x - first.x).toBeCloseTo(third.x - second.x);
  expect((first.y - third.y) / (first.y - second.y)).toBeCloseTo(8, 1);
  for (const words of ["measured so", "1 %", "8 %", "50 %", "prefers-color-scheme: dark"]) expect(picture).toContain(words);
});
