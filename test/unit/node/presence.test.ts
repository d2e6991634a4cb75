// What a tab announces while it lends layers, computes tasks, does both, or does neither.
import { expect, it } from "vitest";
import { MemoryBoard } from "../../../src/mesh/memory/memory-directory.ts";
import { RoundTrips } from "../../../src/mesh/rtc/round-trips.ts";
import { Presence } from "../../../src/node/spans/presence.ts";
import { asPeerId } from "../../../src/shared/ids.ts";
import { announcementOf } from "../../contract/directory-contract.ts";

it("keeps the tab in the directory for as long as it lends anything, and announces what", () => {
  const self = asPeerId("a");
  const board = new MemoryBoard();
  const presence = new Presence(board.join(self), "widget");
  const announced = (): unknown =>
    board.swarm.peers.map(({ model, serving, tasks, host }) => ({ model, layers: serving.length, tasks, host }));

  presence.takeTasks(true);
  expect(announced()).toEqual([{ model: null, layers: 0, tasks: true, host: "widget" }]);
  presence.announce({ ...announcementOf(0, 4), host: "widget" });
  expect(announced()).toEqual([{ model: "bafymodel", layers: 1, tasks: true, host: "widget" }]);
  presence.withdraw();
  expect(announced()).toEqual([{ model: null, layers: 0, tasks: true, host: "widget" }]);
  presence.announce({ ...announcementOf(0, 4), host: "widget" });
  presence.takeTasks(false);
  expect(announced()).toEqual([{ model: "bafymodel", layers: 1, tasks: undefined, host: "widget" }]);
  presence.withdraw();
  expect(announced()).toEqual([]);
});

it("announces how far away other peers are: their shortest round trip, in whole milliseconds", () => {
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
  expect(roundTrips.of(near)).toBeUndefined(); // newer ones have replaced it
  expect(roundTrips.latest(8)).toHaveLength(8);
});
