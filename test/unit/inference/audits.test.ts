// Audits over real engines: a peer that serves another layer, rounds, forgets, or repeats itself is found in the first chunk.
import { afterEach, describe, expect, it } from "vitest";
import { auditAnswer, drawAudits, type Finding, type PeerStandings } from "../../../src/inference/answer-audits.ts";
import { askCommitments } from "../../../src/inference/commitments.ts";
import { generate } from "../../../src/inference/generate.ts";
import { createSampler } from "../../../src/model/sampler.ts";
import { readTokenizer } from "../../../src/model/tokenizer.ts";
import { systemClock } from "../../../src/shared/clock.ts";
import type { Engine } from "../../../src/engine/contract.ts";
import type { PeerId, Span } from "../../../src/shared/ids.ts";
import { afterAgreed, afterFault, afterWrong, type Standing, STRANGER } from "../../../src/shared/reputation.ts";
import { replaysOutputs, roundsToInt8, servesOtherLayers, truncatesCache } from "../../../tools/sim/cheating-engine.ts";
import { BUNDLED, bundledEngine, readBundled } from "../../support/bundled-model.ts";
import { allIdle, type MemorySwarm, randomBytes, startMemorySwarm, type WrapEngine } from "../../support/memory-swarm.ts";

const { signal } = new AbortController();
const tokenizer = readTokenizer(readBundled("tokenizer.json"), readBundled("tokenizer_config.json"));
const PROMPT = "Once upon a time there was a small robot named Pip. ".repeat(2);
const SPANS = [
  [0, 3],
  [3, 5],
  [5, 8],
] as const;

/** What a requester knows of peers, in memory. */
function standings(): PeerStandings & { readonly rows: Map<PeerId, Standing> } {
  const rows = new Map<PeerId, Standing>();
  const of = (peer: PeerId): Standing => rows.get(peer) ?? STRANGER;
  return {
    rows,
    now: () => systemClock.now(),
    of,
    agreed: (peer) => rows.set(peer, afterAgreed(of(peer), systemClock.now())),
    wrong: (peer) => rows.set(peer, afterWrong(of(peer), systemClock.now())),
    fault: (peer) => rows.set(peer, afterFault(of(peer), systemClock.now())),
  };
}

let guests = 0;

/** Answers over the first three peers, then audits all of them; the others are spares. */
async function answerAndAudit(swarm: MemorySwarm, known = standings(), prompt = PROMPT): Promise<readonly Finding[]> {
  const mesh = swarm.guest(`a-guest-${++guests}`);
  const findings: Finding[] = [];
  const audited = Promise.withResolvers<void>();
  const events = generate(
    {
      mesh,
      random: randomBytes,
      clock: systemClock,
      createSampler,
      model: {
        id: BUNDLED.id,
        layerCount: 8,
        contextLength: BUNDLED.contextLength,
        vocabularySize: 2000,
        stopTokens: new Set([0]),
        tokenizer,
        chat: undefined,
      },
      // oxlint-disable-next-line require-yield -- a route is at hand: nothing is waited for
      findRoute: async function* () {
        return swarm.peers.slice(0, 3).map(({ hop }) => hop);
      },
      onAnswered: async (record, positions) => {
        try {
          const range = { from: 0, to: positions };
          const commitments = await askCommitments(record, range, systemClock, signal);
          const deps = {
            mesh,
            clock: systemClock,
            random: randomBytes,
            standings: known,
            peers: () => swarm.peers.map(({ hop }) => ({ peer: hop.peer, serving: [hop.span], sessions: 0, determinismClass: "test" })),
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
    { temperature: 0.8, seed: 11, maxTokens: 20 },
    signal,
  );
  for await (const event of events) if (event.kind === "done") break;
  await audited.promise;
  return findings;
}

/** As many layers as `span` has, one of them another, between the same ends. */
async function otherLayers({ start, end }: Span): Promise<readonly Engine[]> {
  if (start === 0) return [await bundledEngine(0, 1), await bundledEngine(2, end + 1)];
  if (end === 8) return [await bundledEngine(start - 1, end - 2), await bundledEngine(end - 1, end)];
  return [await bundledEngine(start - 1, end - 1)];
}

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
      expect(wrong(await answerAndAudit(made))).toEqual([]); // the first time it is honest
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

  it("accuses nobody where one word stands against another", async () => {
    const made = await start({ 1: roundsToInt8 }, 1);
    const findings = await answerAndAudit(made);
    expect(wrong(findings)).toEqual([]);
    expect(findings.find(({ peer }) => peer === made.peers[1]?.hop.peer)?.judgement.kind).toBe("unclear");
  });
});
