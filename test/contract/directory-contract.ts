// The contract of every directory: one suite, which runs over the one in memory and the one at a real relay.
import { describe, expect, test } from "vitest";
import type { Directory, Swarm } from "../../src/mesh/ports/directory.ts";
import type { PeerAnnouncement } from "../../src/protocol/directory-frames.ts";
import { asModelId, type PeerId } from "../../src/shared/ids.ts";

export interface DirectoryPeer {
  readonly self: PeerId;
  readonly directory: Directory;
  /** Ends the peer as a crash would. */
  readonly kill: () => void;
}

/** Returns an announcement of layers `[start, end)`. */
export const announcementOf = (start: number, end: number, serving = true): PeerAnnouncement => ({
  model: asModelId("bafymodel"),
  target: { start, end },
  serving: serving ? [{ start, end }] : [],
  backend: "wasm",
  layerMs: 1.5,
  sessions: 0,
  tokensServed: 0,
  host: "page",
});

/** Resolves once the swarm of `directory` passes `check`. */
export function seen(directory: Directory, check: (swarm: Swarm) => boolean): Promise<Swarm> {
  if (check(directory.swarm)) return Promise.resolve(directory.swarm);
  return new Promise((resolve) => {
    const stop = directory.on("swarm:changed", (swarm) => {
      if (!check(swarm)) return;
      stop();
      resolve(swarm);
    });
  });
}

const record = (swarm: Swarm, peer: PeerId) => swarm.peers.find((candidate) => candidate.peer === peer);

/** Declares the suite. `join` makes a peer that sees the same directory as all others. */
export function describeDirectoryContract(name: string, join: () => Promise<DirectoryPeer>): void {
  describe(`directory contract: ${name}`, () => {
    test("all peers see what one announces, in the order of joining", async () => {
      const [a, b] = [await join(), await join()];
      a.directory.announce(announcementOf(0, 4));
      await seen(b.directory, (swarm) => record(swarm, a.self) !== undefined);
      b.directory.announce(announcementOf(4, 8, false));
      const swarm = await seen(a.directory, (now) => record(now, b.self) !== undefined);
      expect(record(swarm, a.self)).toMatchObject(announcementOf(0, 4));
      expect(record(swarm, b.self)).toMatchObject(announcementOf(4, 8, false));
      expect(record(swarm, a.self)?.joined).toBeLessThan(record(swarm, b.self)?.joined ?? 0);
      await Promise.all([a.directory.stop(), b.directory.stop()]);
    });

    test("a change keeps a peer's place in the order, and raises the revision", async () => {
      const [a, b] = [await join(), await join()];
      a.directory.announce(announcementOf(0, 4, false));
      const before = await seen(b.directory, (swarm) => record(swarm, a.self) !== undefined);
      a.directory.announce(announcementOf(0, 8));
      const after = await seen(b.directory, (swarm) => record(swarm, a.self)?.target?.end === 8);
      expect(record(after, a.self)?.joined).toBe(record(before, a.self)?.joined);
      expect(after.revision).toBeGreaterThan(before.revision);
      await Promise.all([a.directory.stop(), b.directory.stop()]);
    });

    test("a peer that withdraws is gone, and goes on watching", async () => {
      const [a, b] = [await join(), await join()];
      a.directory.announce(announcementOf(0, 4));
      await seen(b.directory, (swarm) => record(swarm, a.self) !== undefined);
      a.directory.withdraw();
      await seen(b.directory, (swarm) => record(swarm, a.self) === undefined);
      b.directory.announce(announcementOf(0, 8));
      await seen(a.directory, (swarm) => record(swarm, b.self) !== undefined);
      await Promise.all([a.directory.stop(), b.directory.stop()]);
    });

    test("a peer that stops is gone, and so is one that dies", async () => {
      const [a, b, watcher] = [await join(), await join(), await join()];
      a.directory.announce(announcementOf(0, 4));
      b.directory.announce(announcementOf(4, 8));
      await seen(watcher.directory, (swarm) => record(swarm, a.self) !== undefined && record(swarm, b.self) !== undefined);
      await a.directory.stop();
      b.kill();
      await seen(watcher.directory, (swarm) => record(swarm, a.self) === undefined && record(swarm, b.self) === undefined);
      await watcher.directory.stop();
    });
  });
}
