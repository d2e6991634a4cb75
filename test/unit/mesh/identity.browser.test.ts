// Keys of tabs, with real IndexedDB and real Web Locks.
import { openDB } from "idb";
import { expect, test } from "vitest";
import { type IdentityOptions, acquireIdentity } from "../../../src/mesh/identity/identity.browser.ts";

const signal = new AbortController().signal;
let names = 0;
const fresh = (): IdentityOptions => ({ locks: navigator.locks, name: `identity-test-${Date.now()}-${++names}` });

test("two tabs get two keys, and the next tab gets a released slot with its key", async () => {
  const options = fresh();
  const [first, second] = [await acquireIdentity(options, signal), await acquireIdentity(options, signal)];
  expect(first.kept && second.kept).toBe(true);
  expect(first.seed.byteLength).toBe(32);
  expect(first.seed).not.toEqual(second.seed);
  first.release();
  first.release();
  const third = await acquireIdentity(options, signal);
  expect(third.seed).toEqual(first.seed);
  second.release();
  third.release();
});

test("many tabs at the same moment never share a key", async () => {
  const options = fresh();
  const identities = await Promise.all(Array.from({ length: 12 }, () => acquireIdentity(options, signal)));
  expect(new Set(identities.map(({ seed }) => seed.join())).size).toBe(12);
  for (const identity of identities) identity.release();
});

test("without locks or storage a tab gets a key that is not kept, and a reason", async () => {
  const withoutLocks = await acquireIdentity({ ...fresh(), locks: undefined }, signal);
  expect(withoutLocks).toMatchObject({ kept: false, notice: expect.stringContaining("Web Locks") });
  const blocked = await acquireIdentity({ ...fresh(), openStore: () => Promise.reject(new Error("denied")) }, signal);
  expect(blocked).toMatchObject({ kept: false, notice: expect.stringContaining("denied") });
  expect(blocked.seed).not.toEqual(withoutLocks.seed);
});

test("a damaged key is replaced", async () => {
  const options = fresh();
  (await acquireIdentity(options, signal)).release();
  const database = await openDB(options.name as string, 1);
  await database.put("seeds", "not a key", 0);
  database.close();
  const next = await acquireIdentity(options, signal);
  expect(next).toMatchObject({ kept: true });
  expect(next.seed.byteLength).toBe(32);
  next.release();
});

test("an aborted signal rejects with its reason", async () => {
  const reason = new Error("enough");
  await expect(acquireIdentity(fresh(), AbortSignal.abort(reason))).rejects.toBe(reason);
});
