// What leaves together: frames of one flush, neighbours of one kind, and what nobody waits for with whatever goes next.
import { expect, test } from "vitest";
import { MemoryNetwork } from "../../../src/mesh/memory-mesh.ts";
import type { Link } from "../../../src/mesh/link.ts";
import { decodeFrame } from "../../../src/protocol/frame.ts";
import { readToVolunteer, type ToVolunteer } from "../../../src/protocol/task-frames.ts";
import { asPeerId } from "../../../src/shared/ids.ts";
import { TaskSender } from "../../../src/tasks/task-sender.ts";

const PROTOCOL = "/manyhands/test/1";
const receipt = (byte: number): [ToVolunteer, Uint8Array[]] => [{ kind: "receipt", sizes: [1] }, [Uint8Array.of(byte)]];
const cancel = (lease: number): ToVolunteer => ({ kind: "cancel", leases: [lease] });

async function pair(): Promise<{ sender: TaskSender; read: () => Promise<unknown>; rested: () => void }> {
  const network = new MemoryNetwork();
  const [mesh, other] = [network.join(asPeerId("a-requester")), network.join(asPeerId("a-volunteer"))];
  const arrived = Promise.withResolvers<Link>();
  other.handle(PROTOCOL, arrived.resolve);
  const link = await mesh.open(asPeerId("a-volunteer"), PROTOCOL, new AbortController().signal);
  const frames = (await arrived.promise).frames[Symbol.asyncIterator]();
  const rests: (() => void)[] = [];
  return {
    sender: new TaskSender(link, { sleep: () => new Promise((resolve) => rests.push(resolve)) }),
    rested: () => rests.shift()?.(),
    read: async () => {
      const { header, payload } = decodeFrame((await frames.next()).value);
      return [readToVolunteer(header), [...payload]];
    },
  };
}

test("neighbours of one kind are one frame, in the order in which they were queued", async () => {
  const { sender, read } = await pair();
  sender.queue(cancel(1));
  sender.queue(cancel(2));
  sender.queue(...receipt(7));
  sender.queue(cancel(3));
  sender.flush();
  expect(await read()).toEqual([{ kind: "cancel", leases: [1, 2] }, []]);
  expect(await read()).toEqual([{ kind: "receipt", sizes: [1] }, [7]]);
  expect(await read()).toEqual([{ kind: "cancel", leases: [3] }, []]);
});

test("what nobody waits for goes with what is flushed next", async () => {
  const { sender, read, rested } = await pair();
  sender.queueLater(...receipt(1));
  sender.flush(); // nothing but what may wait: it waits
  sender.queueLater(...receipt(2));
  sender.queue(cancel(1));
  sender.flush();
  expect(await read()).toEqual([{ kind: "cancel", leases: [1] }, []]);
  expect(await read()).toEqual([{ kind: "receipt", sizes: [1, 1] }, [1, 2]]);
  sender.queueLater(...receipt(3));
  rested(); // that of the first, which has left in company
  sender.queueLater(...receipt(4));
  sender.queue(cancel(2));
  await Promise.resolve();
  sender.flush();
  expect(await read()).toEqual([{ kind: "cancel", leases: [2] }, []]);
  expect(await read()).toEqual([{ kind: "receipt", sizes: [1, 1] }, [3, 4]]);
});

test("or by itself after a while", async () => {
  const { sender, read, rested } = await pair();
  sender.queueLater(...receipt(1));
  sender.queueLater(...receipt(2));
  rested();
  expect(await read()).toEqual([{ kind: "receipt", sizes: [1, 1] }, [1, 2]]);
});
