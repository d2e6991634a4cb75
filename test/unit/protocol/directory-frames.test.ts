// Announcements of peers: read back as they were sent, bounded, and small enough that the
// largest snapshot fits into a frame.
import { describe, expect, it } from "vitest";
import { decodeSwarm, encodeSwarm, type PeerAnnouncement, readDirectoryRequest } from "../../../src/protocol/directory-frames.ts";
import { LIMITS } from "../../../src/protocol/version.ts";
import { errorCode } from "../../../src/shared/errors.ts";
import { asPeerId } from "../../../src/shared/ids.ts";
import { announcementOf } from "../../contract/directory-contract.ts";

const nameOf = (index: number) => asPeerId(`12D3KooW${String(index).padStart(44, "0")}`);
const neighbours = Array.from({ length: LIMITS.neighbours }, (_, index) => ({ peer: nameOf(index), rttMs: 12.5 }));
const full: PeerAnnouncement = {
  ...announcementOf(0, 4),
  maxLayers: 12,
  freeCacheBytes: 240 * 1024 * 1024,
  determinismClass: "c".repeat(80),
  neighbours,
  tasks: true,
};
const withoutLayers: PeerAnnouncement = { ...announcementOf(0, 4), model: null, target: null, serving: [], tasks: true };
const codeOf = (announcement: unknown): unknown => {
  try {
    readDirectoryRequest({ kind: "announce", announcement });
    return undefined;
  } catch (error) {
    return errorCode(error);
  }
};

describe("an announcement", () => {
  it("is read with and without its optional fields", () => {
    for (const announcement of [announcementOf(0, 4), full, withoutLayers])
      expect(readDirectoryRequest({ kind: "announce", announcement })).toEqual({ kind: "announce", announcement });
  });

  it.each([
    ["no room", { maxLayers: 0 }],
    ["more layers than any model", { maxLayers: LIMITS.layers + 1 }],
    ["less than no cache", { freeCacheBytes: -1 }],
    ["a class of a megabyte", { determinismClass: "c".repeat(1 << 20) }],
    ["too many neighbours", { neighbours: [...neighbours, { peer: nameOf(99), rttMs: 1 }] }],
    ["a negative round trip", { neighbours: [{ peer: nameOf(1), rttMs: -1 }] }],
    ["an infinite round trip", { neighbours: [{ peer: nameOf(1), rttMs: Number.POSITIVE_INFINITY }] }],
    ["tasks that are neither accepted nor refused", { tasks: "some" }],
    ["an unknown field", { trusted: true }],
  ])("with %s is refused", (_, extra) => {
    expect(codeOf({ ...full, ...extra })).toBe("FRAME_MALFORMED");
  });

  it("is small enough for a snapshot of as many peers as a directory may list", () => {
    const peers = Array.from({ length: LIMITS.directoryPeers }, (_, index) => ({ ...full, peer: nameOf(index), joined: index }));
    const swarm = { kind: "swarm" as const, revision: 1, peers };
    expect(decodeSwarm(encodeSwarm(swarm))).toEqual(swarm);
  });
});
