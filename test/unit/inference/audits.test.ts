// Audits over real engines: a peer that serves other layers, rounds, forgets, or repeats itself is found in the first
// answer.
import { fileURLToPath } from "node:url";
import * as ort from "onnxruntime-web";
import { afterEach, describe, expect, it } from "vitest";
import { LocalEngine } from "../../../src/engine/local-engine.ts";
import { RuntimeLock } from "../../../src/engine/runtime-lock.ts";
import { decodeFrame } from "../../../src/protocol/frame.ts";
import { loadSpans, openRunner } from "../../../tools/bench/models/whole-span.ts";
import { auditAnswer, drawAudits, type Finding, type PeerStandings } from "../../../src/inference/audit/answer-audits.ts";
import { askCommitments } from "../../../src/inference/audit/commitments.ts";
import { generate } from "../../../src/inference/generate.ts";
import type { WireType } from "../../../src/inference/log/wire-form.ts";
import { layerStandings } from "../../../src/node/credit/layer-standings.ts";
import { systemClock } from "../../../src/shared/clock.ts";
import type { Engine } from "../../../src/engine/contract.ts";
import type { PeerId, Span } from "../../../src/shared/ids.ts";
import { Standings } from "../../../src/tasks/dispatch/standings.ts";
import { replaysOutputs, roundsToInt8, servesOtherLayers, truncatesCache } from "../../../tools/sim/cheating-engine.ts";
import { askingFor, bundledPromptModel } from "../../support/asking.ts";
import { BUNDLED, bundledEngine } from "../../support/bundled-model.ts";
import { allIdle, type MemorySwarm, randomBytes, startMemorySwarm, type WrapEngine } from "../../support/memory-swarm.ts";

const { signal } = new AbortController();
const model = bundledPromptModel();
const PROMPT = "Once upon a time there was a small robot named Pip. ".repeat(2);
const SPANS = [
  [0, 3],
  [3, 5],
  [5, 8],
] as const;

/** The standings that a requester has when it knows nobody. */
const standings = (): PeerStandings => layerStandings(new Standings());

let guests = 0;

/** Has the first three peers answer, then audits all of them; the others are spares. */
async function answerAndAudit(
  swarm: MemorySwarm,
  known = standings(),
  prompt = PROMPT,
  classOf: (peer: PeerId) => string = () => "test",
  wire: WireType = "float32",
): Promise<readonly Finding[]> {
  const mesh = swarm.guest(`a-guest-${++guests}`);
  const findings: Finding[] = [];
  const audited = Promise.withResolvers<void>();
  const events = generate(
    {
      ...askingFor(mesh, model, () => swarm.peers.slice(0, 3).map(({ hop }) => hop)),
      onAnswered: async (record, positions) => {
        try {
          const range = { from: 0, to: positions };
          const commitments = await askCommitments(record, range, systemClock, signal);
          const deps = {
            mesh,
            clock: systemClock,
            random: randomBytes,
            standings: known,
            peers: () =>
              swarm.peers.map(({ hop }) => ({ peer: hop.peer, serving: [hop.span], sessions: 0, determinismClass: classOf(hop.peer) })),
            exclude: () => new Set<PeerId>(),
            fraction: () => 0.99,
          };
          for await (const finding of auditAnswer(deps, record, commitments, drawAudits(deps, record), signal)) findings.push(finding);
          audited.resolve();
        } catch (error) {
          audited.reject(error);
        }
      },
    },
    prompt,
    { temperature: 0.8, seed: 11, maxTokens: 20, wire },
    signal,
  );
  for await (const event of events) if (event.kind === "done") break;
  await audited.promise;
  return findings;
}

/** Engines with as many layers as `span` has, one of them the wrong one, between the same boundaries. */
async function otherLayers({ start, end }: Span): Promise<readonly Engine[]> {
  if (start === 0) return [await bundledEngine(0, 1), await bundledEngine(2, end + 1)];
  if (end === 8) return [await bundledEngine(start - 1, end - 2), await bundledEngine(end - 1, end)];
  return [await bundledEngine(start - 1, end - 1)];
}

/** Gives the numbers of another kind of device. */
function slightlyOff(engine: Engine): Engine {
  return {
    ...delegate(engine),
    step: async (input) => {
      const output = await engine.step(input);
      const hidden = output.hidden?.slice();
      if (hidden) new Float32Array(hidden.buffer).forEach((value, index, all) => (all[index] = value * (1 + 1e-4 * Math.sin(index))));
      const logits = output.logits && { ...output.logits, values: output.logits.values.map((value) => value * (1 + 1e-5)) };
      return { ...output, hidden, logits };
    },
  };
}

const delegate = (engine: Engine): Engine => ({
  plan: engine.plan,
  report: engine.report,
  died: engine.died,
  open: (session, maxPositions) => engine.open(session, maxPositions),
  step: (input) => engine.step(input),
  truncate: (session, position) => engine.truncate(session, position),
  close: (session) => engine.close(session),
  setShare: (share) => engine.setShare(share),
  dispose: () => engine.dispose(),
});

/** Returns a step's frame with one of its numbers changed. */
function otherNumbers(frame: Uint8Array): Uint8Array {
  const changed = frame.slice();
  const { payload } = decodeFrame(changed);
  if (payload.byteLength > 3) payload[2] = (payload[2] ?? 0) ^ 0x40;
  return changed;
}

const lock = new RuntimeLock();

/** An engine of the bundled model in the form in which a position's bits do not depend on its step. */
async function rowInvariantEngine(start: number, end: number): Promise<Engine> {
  const spans = await loadSpans(fileURLToPath(BUNDLED.folder), () => [3, 5]);
  const source = spans.find(({ plan }) => plan.span.start === start && plan.span.end === end);
  if (source === undefined) throw new Error("no such span");
  const runner = await lock.hold(() => openRunner(source, false));
  const report = { backend: "wasm", determinismClass: "test", rowInvariant: true, layerMs: 1, conversionMs: 0, notices: [] } as const;
  return renamed(new LocalEngine(ort, runner, report, { cacheBudgetBytes: 2 ** 26, share: 1, clock: systemClock, lock }));
}

/** Gives the engine the name by which these tests call the model. */
const renamed = (engine: Engine): Engine => ({ ...delegate(engine), plan: { ...engine.plan, model: BUNDLED.id } });

const wrong = (findings: readonly Finding[]): readonly PeerId[] =>
  findings.flatMap(({ judgement }) => (judgement.kind === "wrong" ? [judgement.peer] : []));

describe("an audit", () => {
  let swarm: MemorySwarm | undefined;
  afterEach(async () => {
    if (swarm) await allIdle(swarm);
    await swarm?.stop();
  });
  const start = async (wrap: Readonly<Record<number, WrapEngine>>, spares = 2): Promise<MemorySwarm> => {
    swarm = await startMemorySwarm([3, 5], { wrap });
    for (let n = 0; n < spares; n++) for (const [a, b] of SPANS) await swarm.add(`spare-${n}-of-${a}-${b}`, a, b);
    return swarm;
  };

  it("agrees with honest peers, and leaves nothing open", async () => {
    const made = await start({});
    const known = standings();
    const findings = await answerAndAudit(made, known);
    expect(findings.map(({ judgement }) => judgement.kind)).toEqual(["agreed", "agreed", "agreed"]);
    for (const { hop } of made.peers.slice(0, 3)) expect(known.of(hop.peer).streak).toBeGreaterThan(0.9);
  });

  it("is as exact if hidden states cross as half floats", async () => {
    const made = await start({ 1: roundsToInt8 });
    const findings = await answerAndAudit(made, standings(), PROMPT, undefined, "float16");
    expect(wrong(findings)).toEqual([made.peers[1]?.hop.peer]);
    expect(findings.filter(({ judgement }) => judgement.kind === "agreed")).toHaveLength(2);
    await made.stop();
    const cheated = await start({ 1: async (engine) => servesOtherLayers(engine, await otherLayers(engine.plan.span)) });
    const across = await answerAndAudit(cheated, standings(), PROMPT, (peer) => `class-of-${peer}`, "float16");
    expect(wrong(across)).toEqual([cheated.peers[1]?.hop.peer]);
  });

  const cheats = {
    "serves other layers": (): WrapEngine => async (engine) => servesOtherLayers(engine, await otherLayers(engine.plan.span)),
    "rounds to eight bits": (): WrapEngine => (engine) => roundsToInt8(engine),
    "forgets its cache": (): WrapEngine => (engine) => truncatesCache(engine, 24),
  };
  for (const [name, cheat] of Object.entries(cheats))
    for (const [index, [from, to]] of SPANS.entries())
      it(`finds a peer that ${name}, at layers ${from} to ${to - 1}`, async () => {
        const made = await start({ [index]: cheat() });
        const findings = await answerAndAudit(made);
        expect(wrong(findings)).toEqual([made.peers[index]?.hop.peer]);
        expect(findings.filter(({ judgement }) => judgement.kind === "agreed")).toHaveLength(2);
      });

  for (const [index, [from, to]] of SPANS.entries())
    it(`finds a peer that repeats what it said once, at layers ${from} to ${to - 1}`, async () => {
      const made = await start({ [index]: replaysOutputs });
      expect(wrong(await answerAndAudit(made))).toEqual([]); // it is honest the first time
      const again = await answerAndAudit(made, standings(), PROMPT.replaceAll("robot", "rabbit"));
      expect(wrong(again)).toEqual([made.peers[index]?.hop.peer]);
    });

  it("finds two that collude, one after the other in a chain: each is held to what it was sent and what it sent on", async () => {
    const made = await start({ 0: roundsToInt8, 1: roundsToInt8 });
    const findings = await answerAndAudit(made);
    expect(new Set(wrong(findings))).toEqual(new Set(made.peers.slice(0, 2).map(({ hop }) => hop.peer)));
  });

  it("finds out an auditor that lies: a third peer decides", async () => {
    const made = await start({}, 0);
    const liar = await made.add("a-liar-of-layers-3-5", 3, 5, roundsToInt8);
    await made.add("honest-spare-of-3-5", 3, 5);
    const known = standings();
    const findings = await answerAndAudit(made, known);
    expect(findings.map(({ judgement }) => judgement)).toMatchObject([{ kind: "agreed", wrong: [liar.hop.peer] }]);
    expect(known.of(liar.hop.peer)).toMatchObject({ streak: 0, wrong: 1 });
  });

  it("accuses nobody if it is one peer's word against another's", async () => {
    const made = await start({ 1: roundsToInt8 }, 1);
    const findings = await answerAndAudit(made);
    expect(wrong(findings)).toEqual([]);
    expect(findings.find(({ peer }) => peer === made.peers[1]?.hop.peer)?.judgement.kind).toBe("unclear");
  });

  it("finds out an upstream neighbour that sends auditors another log than it sent before", async () => {
    const made = await start({}, 2);
    const [, liar] = made.peers;
    const next = made.peers[2]?.hop.peer;
    const mesh = liar?.mesh;
    if (mesh === undefined) throw new Error("three peers");
    const open = mesh.open.bind(mesh);
    mesh.open = async (peer, protocol, until) => {
      const link = await open(peer, protocol, until);
      if (peer === next) return link;
      const send = link.send.bind(link);
      return Object.assign(link, { send: (frame: Uint8Array, stop?: AbortSignal) => send(otherNumbers(frame), stop) });
    };
    const findings = await answerAndAudit(made);
    expect(findings.find(({ index }) => index === 2)?.judgement).toMatchObject({ kind: "wrong", peer: liar?.hop.peer });
    expect(wrong(findings)).toEqual([liar?.hop.peer]);
  });

  it("compares the largest numbers across classes: rounding passes there, other layers do not", async () => {
    const made = await start({}, 0);
    for (const [from, to] of SPANS) await made.add(`other-class-${from}-${to}`, from, to, slightlyOff);
    const classOf = (peer: PeerId): string => (peer.startsWith("other") ? "webgpu" : "test");
    const findings = await answerAndAudit(made, standings(), PROMPT, classOf);
    expect(findings.map(({ judgement }) => judgement.kind)).toEqual(["agreed", "agreed", "agreed"]);

    await made.stop();
    const cheated = await start({ 1: async (engine) => servesOtherLayers(engine, await otherLayers(engine.plan.span)) }, 0);
    for (const name of ["other-class-a", "other-class-b"]) await cheated.add(name, 3, 5, slightlyOff);
    expect(wrong(await answerAndAudit(cheated, standings(), PROMPT, classOf))).toEqual([cheated.peers[1]?.hop.peer]);
  });

  it("computes again in far fewer steps if the spans are row-invariant, and gets the same bits", async () => {
    let steps = 0;
    const counting = (engine: Engine): Engine => ({
      ...delegate(engine),
      step: (input) => {
        steps++;
        return engine.step(input);
      },
    });
    swarm = await startMemorySwarm([3, 5], { startEngine: rowInvariantEngine });
    for (const [from, to] of SPANS) await swarm.add(`spare-of-layers-${from}-${to}`, from, to, counting);
    const findings = await answerAndAudit(swarm);
    expect(findings.map(({ judgement }) => judgement.kind)).toEqual(["agreed", "agreed", "agreed"]);
    expect(steps).toBeLessThan(3 * 8); // 20 tokens and a prompt, for each of three spans
  });
});
