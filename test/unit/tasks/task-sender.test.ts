// Frames that leave together: consecutive ones of one kind become one frame, in order.
import { expect, test } from "vitest";
import { MemoryNetwork } from "../../../src/mesh/memory/memory-mesh.ts";
import type { Link } from "../../../src/mesh/ports/link.ts";
import { decodeFrame } from "../../../src/protocol/frame.ts";
import { readToVolunteer, type ToVolunteer } from "../../../src/protocol/task-frames.ts";
import { asPeerId } from "../../../src/shared/ids.ts";
import { TaskSender } from "../../../src/tasks/task-sender.ts";

const PROTOCOL = "/manyhands/test/1";
const receipt = (byte: number): [ToVolunteer, Uint8Array[]] => [{ kind: "receipt", sizes: [1] }, [Uint8Array.of(byte)]];
const cancel = (lease: number): ToVolunteer => ({ kind: "cancel", leases: [lease] });

async function pair(): Promise<{ sender: TaskSender; read: () => Promise<unknown> }> {
  const network = new MemoryNetwork();
  const [mesh, other] = [network.join(asPeerId("a-requester")), network.join(asPeerId("a-volunteer"))];
  const arrived = Promise.withResolvers<Link>();
  other.handle(PROTOCOL, arrived.resolve);
  const link = await mesh.open(asPeerId("a-volunteer"), PROTOCOL, new AbortController().signal);
  const frames = (await arrived.promise).frames[Symbol.asyncIterator]();
  return {
    sender: new TaskSender(link),
    read: async () => {
      const { header, payload } = decodeFrame((await frames.next()).value);
      return [readToVolunteer(header), [...payload]];
    },
  };
}

test("consecutive frames of one kind become one, in the order in which they were queued", async () => {
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
