// A short run of the soak: no task is lost or paid twice, and the order is kept, while a third of the volunteers die.
import { expect, it } from "vitest";
import { churn } from "../../../tools/soak/churn.ts";

it.each([1, 2, 3, 4])("the churn soak holds for seed %i", async (seed) => {
  const result = await churn(seed, 600, 0.3);
  expect(result).toMatchObject({ lost: 0, wrong: 0, doubleCredited: 0, outOfOrder: 0 });
  expect(result.makespanToIdeal).toBeLessThan(1.6);
  expect(result.computedToNeeded).toBeGreaterThanOrEqual(1);
});
