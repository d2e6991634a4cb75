// Bytes per second over a moving window.
import { expect, test } from "vitest";
import { RateMeter } from "../../../../src/model/tiles/rate-meter.ts";

test("is 0 until known, then the mean of the last seconds", () => {
  const meter = new RateMeter();
  expect(meter.bytesPerSecond).toBe(0);
  meter.note(1000, 0);
  expect(meter.bytesPerSecond).toBe(0);
  meter.note(2000, 5000);
  expect(meter.bytesPerSecond).toBe(5000);
  for (let second = 3; second <= 20; second++) meter.note(second * 1000, 5000 + (second - 2) * 100);
  expect(meter.bytesPerSecond).toBeCloseTo(100);
});
