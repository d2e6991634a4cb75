// What a tab announces while it lends layers, tasks, both or nothing.
import { expect, it } from "vitest";
import { MemoryBoard } from "../../../src/mesh/memory/memory-directory.ts";
import { RoundTrips } from "../../../src/mesh/rtc/round-trips.ts";
import { Presence } from "../../../src/node/spans/presence.ts";
import { asPeerId } from "../../../src/shared/ids.ts";
import { announcementOf } from "../../contract/directory-contract.ts";

it("stays in the directory for as long as it lends anything, and says what", () => {
  const self = asPeerId("a");
  const board = new MemoryBoard();
  const presence = new Presence(board.join(self), "widget");
  const told = (): unknown => board.swarm.peers.map(({ model, serving, tasks, host }) => ({ model, layers: serving.length, tasks, host }));

  presence.takeTasks(true);
  expect(told()).toEqual([{ model: null, layers: 0, tasks: true, host: "widget" }]);
  presence.announce({ ...announcementOf(0, 4), host: "widget" });
  expect(told()).toEqual([{ model: "bafymodel", layers: 1, tasks: true, host: "widget" }]);
  presence.withdraw();
  expect(told()).toEqual([{ model: null, layers: 0, tasks: true, host: "widget" }]);
  presence.announce({ ...announcementOf(0, 4), host: "widget" });
  presence.takeTasks(false);
  expect(told()).toEqual([{ model: "bafymodel", layers: 1, tasks: undefined, host: "widget" }]);
  presence.withdraw();
  expect(told()).toEqual([]);
});

it("tells how far others are, in whole milliseconds by their least round trip", () => {
  let nowMs = 0;
  const roundTrips = new RoundTrips({ now: () => nowMs });
  const [near, far] = [asPeerId("near"), asPeerId("far")];
  const board = new MemoryBoard();
  const presence = new Presence(board.join(asPeerId("a")), "page", roundTrips);
  presence.takeTasks(true);
  expect(board.swarm.peers[0]?.neighbours).toBeUndefined();
  for (const ms of [80.4, 20.4, 90]) roundTrips.note(near, ms);
  roundTrips.note(far, 150);
  nowMs = 500;
  expect(roundTrips.of(near)).toEqual({ value: 20.4, ageMs: 500 });
  expect(roundTrips.of(asPeerId("nobody"))).toBeUndefined();
  presence.announce(announcementOf(0, 4));
  expect(board.swarm.peers[0]?.neighbours).toEqual([
    { peer: far, rttMs: 150 },
    { peer: near, rttMs: 20 },
  ]);
  for (let peer = 0; peer < 300; peer++) roundTrips.note(asPeerId(`p${peer}`), 1);
  expect(roundTrips.of(near)).toBeUndefined(); // so many came after it
  expect(roundTrips.latest(8)).toHaveLength(8);
});
