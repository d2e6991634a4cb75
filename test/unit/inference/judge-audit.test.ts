// Which peer is wrong, judged by the commitments of all; and which peers are asked to compute again.
import { describe, expect, it } from "vitest";
import { isClose } from "../../../src/inference/audit/close-rows.ts";
import { type AuditedPart, judgeAudit, type Recomputed } from "../../../src/inference/audit/judge-audit.ts";
import { chooseAuditors, wantsAudit } from "../../../src/inference/audit/plan-audit.ts";
import { asPeerId, type PeerId } from "../../../src/shared/ids.ts";
import { afterAgreed, type Standing, STRANGER } from "../../../src/shared/reputation.ts";

const hash = (n: number): Uint8Array<ArrayBuffer> => new Uint8Array(32).fill(n);
const [SPAN, UP, DOWN, A, B, C] = ["the-span", "the-upstream", "the-downstream", "auditor-a", "auditor-b", "auditor-c"].map(asPeerId) as [
  PeerId,
  PeerId,
  PeerId,
  PeerId,
  PeerId,
  PeerId,
];
/** Input 1 and output 2 are right. */
const part = (
  change: Partial<{ input: number; output: number; sent: number; got: number; up: PeerId | undefined; down: PeerId | undefined }> = {},
): AuditedPart => ({
  peer: SPAN,
  says: { input: hash(change.input ?? 1), output: hash(change.output ?? 2) },
  upstream: { peer: "up" in change ? change.up : UP, sent: hash(change.sent ?? 1) },
  downstream: { peer: "down" in change ? change.down : DOWN, got: hash(change.got ?? change.output ?? 2) },
});
const by = (peer: PeerId, input: number, output: number, more: Partial<Recomputed> = {}): Recomputed => ({
  peer,
  input: hash(input),
  output: hash(output),
  isOwn: false,
  isClose: undefined,
  ...more,
});

describe("judgeAudit", () => {
  const cases: readonly (readonly [string, AuditedPart, readonly Recomputed[], boolean, object])[] = [
    ["one agrees", part(), [by(A, 1, 2)], false, { kind: "agreed", witnesses: [A], wrong: [] }],
    ["one differs", part(), [by(A, 1, 3)], false, { kind: "open" }],
    ["one differs and there is nobody else", part(), [by(A, 1, 3)], true, { kind: "unclear", peers: [SPAN, A] }],
    ["the third agrees with the span", part(), [by(A, 1, 3), by(B, 1, 2)], false, { kind: "agreed", witnesses: [B], wrong: [A] }],
    ["the third agrees with the auditor", part(), [by(A, 1, 3), by(B, 1, 3)], false, { kind: "wrong", peer: SPAN, witnesses: [A, B] }],
    ["all differ", part(), [by(A, 1, 3), by(B, 1, 4)], false, { kind: "open" }],
    ["the fourth decides", part(), [by(A, 1, 3), by(B, 1, 4), by(C, 1, 3)], true, { kind: "wrong", peer: SPAN, witnesses: [A, C] }],
    ["this tab's own differs", part(), [by(A, 1, 3, { isOwn: true })], false, { kind: "wrong", peer: SPAN, witnesses: [A] }],
    ["a log that is another now, according to one auditor", part(), [by(A, 9, 3)], false, { kind: "open" }],
    [
      "a log that is another now, according to two",
      part(),
      [by(A, 9, 3), by(B, 9, 3)],
      false,
      { kind: "wrong", peer: UP, witnesses: [A, B] },
    ],
    [
      "auditors that say so of the requester's log",
      part({ up: undefined }),
      [by(A, 9, 3), by(B, 9, 3)],
      true,
      { kind: "unclear", peers: [] },
    ],
    ["an input that the upstream did not send", part({ input: 5 }), [by(A, 1, 2)], false, { kind: "unclear", peers: [SPAN, UP] }],
    ["an output that the downstream did not get", part({ got: 5 }), [by(A, 1, 2)], false, { kind: "unclear", peers: [SPAN, DOWN] }],
    [
      "logits that the requester did not get",
      part({ got: 5, down: undefined }),
      [by(A, 1, 2)],
      false,
      { kind: "wrong", peer: SPAN, witnesses: [] },
    ],
    ["another class, close", part(), [by(A, 1, 7, { isClose: true })], false, { kind: "agreed", witnesses: [A], wrong: [] }],
    ["another class, far", part(), [by(A, 1, 7, { isClose: false })], false, { kind: "open" }],
    [
      "two of other classes, far",
      part(),
      [by(A, 1, 7, { isClose: false }), by(B, 1, 8, { isClose: false })],
      false,
      { kind: "wrong", peer: SPAN, witnesses: [A, B] },
    ],
  ];
  it.each(cases)("%s", (_, audited, recomputed, isLast, expected) => {
    expect(judgeAudit(audited, recomputed, isLast)).toEqual(expected);
  });
});

describe("the peers that are audited, and those that audit", () => {
  const proved = (streak: number): Standing =>
    Array.from({ length: streak }).reduce<Standing>((standing) => afterAgreed(standing, 0), STRANGER);

  it("are newcomers always, then one in n, and never fewer than three in a hundred", () => {
    expect([0.99, 0.5].map((fraction) => wantsAudit(STRANGER, 0, fraction))).toEqual([true, true]);
    expect(wantsAudit(proved(19), 0, 0.999)).toBe(true);
    expect([0.03, 0.05].map((fraction) => wantsAudit(proved(25), 0, fraction))).toEqual([true, false]);
    expect([0.029, 0.031].map((fraction) => wantsAudit(proved(500), 0, fraction))).toEqual([true, false]);
  });

  it("are this tab first, then peers of the class that are free and proved; never the audited peer or one that was wrong", () => {
    const span = { start: 2, end: 4 };
    const peer = (name: string, more: object = {}) => ({
      peer: asPeerId(name),
      serving: [span],
      sessions: 0,
      determinismClass: "wasm",
      ...more,
    });
    const peers = [
      peer("audited"),
      peer("busy", { sessions: 3 }),
      peer("neighbour"),
      peer("proved"),
      peer("stranger"),
      peer("other-class", { determinismClass: "webgpu" }),
      peer("own-tab"),
      peer("was-wrong"),
      peer("elsewhere", { serving: [{ start: 0, end: 4 }] }),
    ];
    const chosen = chooseAuditors({ peer: asPeerId("audited"), span }, peers, {
      self: asPeerId("own-tab"),
      route: new Set(["audited", "neighbour"].map(asPeerId)),
      exclude: new Set([asPeerId("was-wrong")]),
      standingOf: (each) => (each === "proved" ? proved(20) : STRANGER),
    });
    expect(chosen.map((auditor) => auditor.peer)).toEqual(["own-tab", "proved", "stranger", "busy", "neighbour", "other-class"]);
    expect(chosen.map(({ isSameClass }) => isSameClass)).toEqual([true, true, true, true, true, false]);
  });
});

describe("outputs of peers of other classes", () => {
  const floats = (values: readonly number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);
  const state = Array.from({ length: 64 }, (_, index) => Math.sin(index) * 3);

  it("are close if their largest numbers are", () => {
    expect(isClose("float32", floats(state), floats(state.map((value) => value * 1.001)))).toBe(true);
    expect(isClose("float32", floats(state), floats(state.map((_, index) => Math.cos(index) * 3)))).toBe(false);
    expect(isClose("float32", floats(state), floats(state.map(() => Number.NaN)))).toBe(false);
    expect(isClose("float32", floats(state), floats(state.slice(1)))).toBe(false);
  });

  it("are close as logits if both name the same candidates with the same odds", () => {
    const logits = (ids: readonly number[], values: readonly number[], sum: number): Uint8Array =>
      new Uint8Array([...new Uint8Array(Int32Array.from(ids).buffer), ...floats(values), ...floats([sum])]);
    const first = logits([4, 7, 1, 9], [5, 4, 3, 2], 6);
    expect(isClose("logits", first, logits([7, 4, 1, 9], [14.01, 15, 13, 12], 16))).toBe(true);
    expect(isClose("logits", first, logits([4, 7, 1, 9], [5, 3, 3, 2], 6))).toBe(false);
    expect(isClose("logits", first, logits([14, 17, 11, 9], [5, 4, 3, 2], 6))).toBe(false);
  });
});
