// The directory as state without effects: order, expiry by a moved clock, and bounds.
import { expect, test } from "vitest";
import { Directory, DIRECTORY_LIMITS } from "../../relay/directory/directory.ts";
import { asPeerId } from "../../src/shared/ids.ts";
import { announcementOf } from "../contract/directory-contract.ts";

const [a, b] = [asPeerId("peer-a"), asPeerId("peer-b")];
const [first, second] = [{}, {}];
const peersOf = (directory: Directory): string[] => directory.swarm.peers.map(({ peer }) => peer);

test("peers are listed in the order of joining, and a heartbeat changes nothing", () => {
  const directory = new Directory();
  expect(directory.announce(b, first, announcementOf(0, 4), 0)).toBe("changed");
  expect(directory.announce(a, first, announcementOf(4, 8), 1)).toBe("changed");
  const { revision } = directory;
  expect(directory.announce(b, first, announcementOf(0, 4), 2)).toBe("unchanged");
  expect(directory.revision).toBe(revision);
  expect(directory.announce(b, first, announcementOf(0, 8), 3)).toBe("changed");
  expect(directory.revision).toBe(revision + 1);
  expect(peersOf(directory)).toEqual([b, a]);
  expect(directory.swarm.peers.map(({ joined }) => joined)).toEqual([1, 2]);
});

test("a peer expires some time after its last heartbeat, and not before", () => {
  const directory = new Directory();
  directory.announce(a, first, announcementOf(0, 4), 0);
  directory.announce(b, first, announcementOf(0, 4), 0);
  directory.announce(b, first, announcementOf(0, 4), 10_000);
  expect(directory.expire(DIRECTORY_LIMITS.expiryMs)).toBe(false);
  expect(directory.expire(DIRECTORY_LIMITS.expiryMs + 1)).toBe(true);
  expect(peersOf(directory)).toEqual([b]);
  expect(directory.expire(10_000 + DIRECTORY_LIMITS.expiryMs + 1)).toBe(true);
  expect(directory.swarm.peers).toEqual([]);
});

test("a stream that closes late does not remove a peer that has another stream by then", () => {
  const directory = new Directory();
  directory.announce(a, first, announcementOf(0, 4), 0);
  directory.announce(a, second, announcementOf(0, 4), 1);
  expect(directory.remove(a, first)).toBe(false);
  expect(peersOf(directory)).toEqual([a]);
  expect(directory.remove(a, second)).toBe(true);
  expect(directory.remove(a)).toBe(false);
});

test("a peer that left and comes back joins at the end", () => {
  const directory = new Directory();
  directory.announce(a, first, announcementOf(0, 4), 0);
  directory.announce(b, first, announcementOf(0, 4), 0);
  directory.remove(a);
  directory.announce(a, first, announcementOf(0, 4), 1);
  expect(peersOf(directory)).toEqual([b, a]);
});

test("peers and announcements are bounded", () => {
  const directory = new Directory(1);
  expect(directory.announce(a, first, announcementOf(0, 4), 0)).toBe("changed");
  expect(directory.announce(b, first, announcementOf(0, 4), 0)).toBe("too-many-peers");
  const results = Array.from({ length: DIRECTORY_LIMITS.announceBurst + 5 }, (_, i) =>
    directory.announce(a, first, announcementOf(0, 5 + i), 0),
  );
  expect(results.filter((result) => result === "changed").length).toBe(DIRECTORY_LIMITS.announceBurst - 1);
  expect(results.at(-1)).toBe("too-often");
  expect(directory.announce(a, first, announcementOf(0, 400), 1000 / DIRECTORY_LIMITS.announcesPerSecond)).toBe("changed");
  expect(directory.announce(a, first, announcementOf(0, 401), 1000 / DIRECTORY_LIMITS.announcesPerSecond)).toBe("too-often");
});
