// The contract of every tile store.
import { afterEach, expect, test } from "vitest";
import type { BudgetedStore } from "../../../../src/model/tiles/tile-store.ts";

/** `open` resolves with an empty store of that budget, and a function that closes it. */
export function tileStoreContract(
  name: string,
  open: (budgetBytes: number) => Promise<{ readonly store: BudgetedStore; readonly close: () => Promise<void> }>,
): void {
  const opened: (() => Promise<void>)[] = [];
  const make = async (budgetBytes: number): Promise<BudgetedStore> => {
    const { store, close } = await open(budgetBytes);
    opened.push(close);
    return store;
  };
  const tile = (length: number, fill: number): Uint8Array<ArrayBuffer> => new Uint8Array(length).fill(fill);
  afterEach(async () => {
    for (const close of opened.splice(0)) await close();
  });

  test(`${name}: keeps tiles that were put, and forgets those that were deleted`, async () => {
    const store = await make(1000);
    expect(await store.get("a")).toBeUndefined();
    await store.put("a", tile(10, 1));
    expect(await store.get("a")).toEqual(tile(10, 1));
    await store.delete("a");
    await store.delete("a");
    expect(await store.get("a")).toBeUndefined();
  });

  test(`${name}: keeps a copy of its own, of the view and not of the buffer behind it`, async () => {
    const store = await make(1000);
    const whole = tile(100, 3);
    await store.put("a", whole.subarray(10, 20));
    whole.fill(9);
    const held = await store.get("a");
    expect(held).toEqual(tile(10, 3));
    expect(held?.buffer.byteLength).toBe(10);
    held?.fill(8);
    expect(await store.get("a")).toEqual(tile(10, 3));
  });

  test(`${name}: stays within its budget, and drops tiles that were used longest ago`, async () => {
    const store = await make(30);
    await store.put("a", tile(10, 1));
    await store.put("b", tile(10, 2));
    await store.put("c", tile(10, 3));
    await store.get("a");
    await store.put("d", tile(10, 4));
    expect(await store.get("b")).toBeUndefined();
    for (const [hash, fill] of [
      ["a", 1],
      ["c", 3],
      ["d", 4],
    ] as const)
      expect(await store.get(hash)).toEqual(tile(10, fill));
    await store.put("e", tile(31, 5));
    expect(await store.get("e")).toBeUndefined();
    expect(await store.get("d")).toBeDefined();
  });

  test(`${name}: counts a tile that is put twice once`, async () => {
    const store = await make(30);
    for (let times = 0; times < 5; times++) await store.put("a", tile(20, times));
    await store.put("b", tile(10, 1));
    expect(await store.get("a")).toEqual(tile(20, 4));
    expect(await store.get("b")).toBeDefined();
  });

  test(`${name}: a smaller budget drops the tiles beyond it, longest unused first; a larger one has room for more`, async () => {
    const store = await make(30);
    for (const [hash, fill] of [
      ["a", 1],
      ["b", 2],
      ["c", 3],
    ] as const)
      await store.put(hash, tile(10, fill));
    await store.get("a");
    await store.setBudget(15);
    expect(await store.get("b")).toBeUndefined();
    expect(await store.get("c")).toBeUndefined();
    expect(await store.get("a")).toEqual(tile(10, 1));
    await store.setBudget(40);
    await store.put("d", tile(25, 4));
    expect(await store.get("a")).toBeDefined();
    expect(await store.get("d")).toBeDefined();
  });
}
