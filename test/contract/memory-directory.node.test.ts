// The contract of directories over the board in memory.
import { expect, test } from "vitest";
import { MemoryBoard } from "../../src/mesh/memory/memory-directory.ts";
import { asPeerId } from "../../src/shared/ids.ts";
import { announcementOf, describeDirectoryContract } from "./directory-contract.ts";

const board = new MemoryBoard();
let peers = 0;

describeDirectoryContract("MemoryDirectory", async () => {
  const self = asPeerId(`peer-${++peers}`);
  return { self, directory: board.join(self), kill: () => board.remove(self) };
});

test("a peer keeps the last known swarm while its relay is away, and then catches up", () => {
  const shared = new MemoryBoard();
  const [a, b] = [shared.join(asPeerId("a")), shared.join(asPeerId("b"))];
  a.announce(announcementOf(0, 4));
  b.setRelay({ kind: "lost", retryInMs: 500, message: "gone" });
  a.withdraw();
  expect(b.swarm.peers.length).toBe(1);
  b.setRelay({ kind: "connected" });
  expect(b.swarm.peers.length).toBe(0);
});
