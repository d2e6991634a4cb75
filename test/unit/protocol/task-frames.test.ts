// Tasks and their frames: they are canonical and bounded, and malformed ones are refused.
import * as dagCbor from "@ipld/dag-cbor";
import * as fc from "fast-check";
import { CID } from "multiformats/cid";
import { sha256 } from "multiformats/hashes/sha2";
import { describe, expect, it } from "vitest";
import { cutPayload } from "../../../src/protocol/frame.ts";
import { RECEIPT_LIMITS } from "../../../src/protocol/receipt.ts";
import {
  commitment,
  decodeTask,
  encodeTask,
  readToRequester,
  readToVolunteer,
  type Task,
  TASK_LIMITS,
  taskId,
} from "../../../src/protocol/task-frames.ts";
import { toHex } from "../../../src/shared/bytes.ts";
import { errorCode } from "../../../src/shared/errors.ts";

const task: Task = {
  kind: "sum",
  version: 1,
  params: { numbers: "floats" },
  input: { kind: "inline", bytes: Uint8Array.of(1, 2) },
  limits: { runMs: 1000, silentMs: 100, memoryBytes: 1024, outputBytes: 8 },
  replication: { quorum: 2, most: 5 },
  reward: 3,
};
const codeOf = (act: () => unknown): unknown => {
  try {
    act();
    return "nothing thrown";
  } catch (error) {
    return errorCode(error);
  }
};

describe("a task", () => {
  it("survives its own encoding, and its id is the CID of its bytes", async () => {
    const bytes = encodeTask(task);
    expect(decodeTask(bytes)).toEqual(task);
    expect(taskId(bytes)).toBe(CID.createV1(dagCbor.code, await sha256.digest(bytes)).toString());
  });

  it("has the same bytes in every order of its fields", () => {
    const turned = Object.fromEntries(Object.entries(task).toReversed()) as Task;
    expect(toHex(encodeTask(turned))).toBe(toHex(encodeTask(task)));
  });

  it("has another id if any field differs", () => {
    const ids = [
      task,
      { ...task, version: 2 },
      { ...task, params: {} },
      { ...task, reward: 4 },
      { ...task, replication: { quorum: 1, most: 5 } },
      { ...task, limits: { ...task.limits, runMs: 2 } },
      { ...task, input: { kind: "inline" as const, bytes: Uint8Array.of(1, 3) } },
    ].map((each) => taskId(encodeTask(each)));
    expect(new Set(ids).size).toBe(ids.length);
  });

  it.each([
    ["an input over the limit", { input: { kind: "inline", bytes: new Uint8Array(TASK_LIMITS.inlineBytes + 1) } }],
    ["no tiles", { input: { kind: "tiles", tiles: [] } }],
    ["a tile of nothing", { input: { kind: "tiles", tiles: [{ hash: new Uint8Array(32), sizeBytes: 0 }] } }],
    ["a kind that is no name", { kind: "../sum" }],
    ["a time without end", { limits: { ...task.limits, runMs: Infinity } }],
    ["a quorum that cannot be reached", { replication: { quorum: 6, most: 5 } }],
    ["NaN among its parameters", { params: { at: NaN } }],
    ["a function among its parameters", { params: { at: () => 1 } }],
    ["parameters over the limit", { params: "x".repeat(TASK_LIMITS.taskBytes) }],
    ["an unknown field", { more: 1 }],
  ])("is refused with %s", (_name, more) => {
    expect(codeOf(() => encodeTask({ ...task, ...(more as Partial<Task>) }))).toBe("BAD_INPUT");
  });

  it("is refused if the bytes are no task, whatever they are", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(codeOf(() => decodeTask(bytes))).toBe("FRAME_MALFORMED");
      }),
    );
    expect(codeOf(() => decodeTask(new Uint8Array(TASK_LIMITS.taskBytes + 1)))).toBe("FRAME_TOO_LARGE");
    // A list in a list in a list: deeper than a stack.
    expect(codeOf(() => decodeTask(new Uint8Array(1_000_000).fill(0x81)))).toBe("FRAME_MALFORMED");
  });

  it("is refused or read, and nothing else happens, if any byte is changed", () => {
    const bytes = encodeTask(task);
    for (let at = 0; at < bytes.byteLength; at++) {
      const changed = bytes.slice();
      changed[at] = (changed[at] ?? 0) ^ 0x55;
      expect(["nothing thrown", "FRAME_MALFORMED"]).toContain(codeOf(() => decodeTask(changed)));
    }
  });
});

describe("frames", () => {
  it.each([
    [readToVolunteer, { kind: "lend", leases: [] }],
    [readToVolunteer, { kind: "lend", leases: [{ lease: -1, sizeBytes: 1 }] }],
    [readToVolunteer, { kind: "lend", leases: Array.from({ length: 65 }, (_, lease) => ({ lease, sizeBytes: 1 })) }],
    [readToVolunteer, { kind: "lend", leases: [{ lease: 1, sizeBytes: TASK_LIMITS.taskBytes + 1 }] }],
    [readToVolunteer, { kind: "commit", commits: [{ lease: 1, digest: new Uint8Array(32) }] }],
    [readToVolunteer, { kind: "witness", asks: [{ ask: 1, sizeBytes: RECEIPT_LIMITS.bytes + 1 }] }],
    [readToVolunteer, { kind: "witness", asks: [] }],
    [readToVolunteer, { kind: "receipt", sizes: [0] }],
    [readToVolunteer, { kind: "receipt", sizes: Array.from({ length: 65 }, () => 1) }],
    [readToVolunteer, null],
    [readToRequester, { kind: "witnessed", answers: [{ ask: 1, signature: new Uint8Array(63) }] }],
    [readToRequester, { kind: "witnessed", answers: [{ ask: 1 }] }],
    [readToRequester, { kind: "commit", commits: [{ lease: 1, digest: new Uint8Array(31) }] }],
    [
      readToRequester,
      { kind: "result", results: [{ lease: 1, sizeBytes: TASK_LIMITS.outputBytes + 1, salt: new Uint8Array(16), claim: null }] },
    ],
    [readToRequester, { kind: "offer", version: 1, kinds: [], slots: 1e9 }],
    [readToRequester, { kind: "refuse", lease: 1, reason: "because", message: "" }],
    [readToRequester, { kind: "refuse", lease: 1, reason: "fault", message: "x".repeat(401) }],
    [readToRequester, "offer"],
  ])("are refused (%#)", (read, header) => {
    expect(codeOf(() => read(header))).toBe("FRAME_MALFORMED");
  });

  it("cut a payload as their header says, or refuse it", () => {
    expect(cutPayload(Uint8Array.of(1, 2, 3), [1, 0, 2]).map((part) => [...part])).toEqual([[1], [], [2, 3]]);
    expect(codeOf(() => cutPayload(Uint8Array.of(1, 2, 3), [1, 1]))).toBe("SIZE_MISMATCH");
    expect(codeOf(() => cutPayload(Uint8Array.of(1, 2, 3), [4]))).toBe("SIZE_MISMATCH");
  });
});

describe("a commitment", () => {
  it("differs for another salt, peer, task or result", () => {
    const salt = new Uint8Array(16);
    const hash = new Uint8Array(32);
    const all = [
      commitment(salt, "peer", "task", hash),
      commitment(salt, "peers", "task", hash),
      commitment(salt, "peer", "tasks", hash),
      commitment(
        Uint8Array.from(salt, () => 1),
        "peer",
        "task",
        hash,
      ),
      commitment(
        salt,
        "peer",
        "task",
        Uint8Array.from(hash, () => 1),
      ),
    ].map(toHex);
    expect(new Set(all).size).toBe(all.length);
  });
});
