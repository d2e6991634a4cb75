// Places of peers: each peer has its share, whatever the others have, and a place that
// was given back can be given out again.
import { expect, it } from "vitest";
import { asPeerId } from "../../../src/shared/ids.ts";
import { PeerPlaces } from "../../../src/shared/peer-places.ts";

it("gives each peer its share and no more, and gives out freed places again", () => {
  const places = new PeerPlaces(2);
  const [a, b] = [asPeerId("a"), asPeerId("b")];
  const leave = places.acquire(a);
  places.acquire(a);
  expect(places.acquire(a)).toBeUndefined();
  expect(places.acquire(b)).toBeTypeOf("function");
  expect(places.taken).toBe(3);
  leave?.();
  expect(places.taken).toBe(2);
  expect(places.acquire(a)).toBeTypeOf("function");
  expect(places.acquire(a)).toBeUndefined();
});
