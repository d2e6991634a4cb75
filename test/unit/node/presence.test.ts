// What a tab announces while it lends layers, tasks, both or nothing.
import { expect, it } from "vitest";
import { MemoryBoard } from "../../../src/mesh/memory-directory.ts";
import { Presence } from "../../../src/node/presence.ts";
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
