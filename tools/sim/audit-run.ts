// Runs answers in one swarm and audits each of them as a page would: what do the audits find, and what do they cost?
// All drawn from one seed.
import { auditAnswer, drawAudits, type Finding, type PeerStandings } from "../../src/inference/audit/answer-audits.ts";
import { askCommitments } from "../../src/inference/audit/commitments.ts";
import { SessionShelf } from "../../src/inference/requester/session-shelf.ts";
import type { PeerId, Span } from "../../src/shared/ids.ts";
import { afterAgreed, afterFault, afterWrong, type Standing, STRANGER } from "../../src/shared/reputation.ts";
import { replaysOutputs, roundsToInt8, truncatesCache } from "./cheating-engine.ts";
import { cutLayers } from "./cut-layers.ts";
import { Random } from "./random.ts";
import type { RecurrenceEngine } from "./recurrence-engine.ts";
import { type OnAnswered, type SimRequester, SimSwarm } from "./sim-swarm.ts";
import type { Engine } from "../../src/engine/contract.ts";

const LIMITS = Object.freeze({
  /** Virtual milliseconds in which an answer with its audits must end. */
  hungMs: 1_200_000,
});

export interface AuditRunOptions {
  readonly answers: number;
  /** Chance that a peer of the route is killed in the middle of an answer. */
  readonly killed?: number;
  /** The engine that one peer of the route runs instead of its own, from its first answer on. */
  readonly cheat?: (engine: RecurrenceEngine) => Engine;
  /** The first answer in which the cheat counts; it may be honest before. */
  readonly firstAudit?: number;
  /** Answers after which work is counted, because newcomers are known by then. Default 25. */
  readonly steadyAfter?: number;
}

/**
 * Cheats by name. The numbers of this engine are whole, so clearing the last bits stands for the loss of rounding to
 * eight bits.
 */
export const CHEATS: Readonly<Record<string, Pick<AuditRunOptions, "cheat" | "firstAudit">>> = {
  "another layer": {
    cheat: (engine) => {
      engine.lie = 7;
      return engine;
    },
  },
  int8: {
    cheat: (engine) =>
      roundsToInt8(engine, (row) => {
        const bits = new Uint32Array(row.buffer, row.byteOffset, row.length);
        bits.forEach((value, index) => (bits[index] = value & ~0xffff));
      }),
  },
  "cut cache": { cheat: (engine) => truncatesCache(engine, 16) },
  // Its first answer is honest.
  "old outputs": { cheat: replaysOutputs, firstAudit: 1 },
};

export interface AuditRunResult {
  readonly seed: number;
  readonly answers: number;
  /** Answers in which at least one span was computed again. */
  readonly audited: number;
  readonly audits: number;
  /** Findings about honest peers other than that all is right, and answers that did not end. Each names its seed. */
  readonly alarms: readonly string[];
  readonly cheat: PeerId | undefined;
  /** The verdict of the first audit of the cheat; undefined if it was not audited. */
  readonly verdict: Finding["judgement"]["kind"] | undefined;
  /**
   * Layers times positions that were computed for answers, and computed again, after the first `steadyAfter` answers.
   */
  readonly answerWork: number;
  readonly auditWork: number;
}

/** The standings that a requester keeps of peers, in memory. */
export function memoryStandings(now: () => number): PeerStandings {
  const rows = new Map<PeerId, Standing>();
  const of = (peer: PeerId): Standing => rows.get(peer) ?? STRANGER;
  return {
    now,
    of,
    agreed: (peer) => rows.set(peer, afterAgreed(of(peer), now())),
    wrong: (peer) => rows.set(peer, afterWrong(of(peer), now())),
    fault: (peer) => rows.set(peer, afterFault(of(peer), now())),
  };
}

/** Never throws: an answer that does not end is an alarm. */
export async function runAudits(
  seed: number,
  { answers, killed = 0, cheat, firstAudit = 0, steadyAfter = 25 }: AuditRunOptions,
): Promise<AuditRunResult> {
  const random = new Random(seed);
  const layerCount = random.whole(3, 8);
  const swarm = new SimSwarm(seed, layerCount, random.chance(0.7));
  const spans = cutLayers(random, layerCount, random.whole(1, 2));
  const cheating = random.whole(0, spans.length - 1);
  let villain: PeerId | undefined;
  const work = { answers: 0, audits: 0, isSteady: false };
  const join = (span: Span, wrap?: (engine: RecurrenceEngine) => Engine): PeerId => {
    const { peer, service } = swarm.join(span, wrap && { wrap });
    const layers = span.end - span.start;
    service.on("span:served", ({ positions, isAudit }) => {
      if (work.isSteady) work[isAudit ? "audits" : "answers"] += layers * positions;
    });
    return peer;
  };
  // Nobody else serves the span of the cheat until the route is planned. Then spares join.
  for (const [index, span] of spans.entries()) {
    const peer = join(span, index === cheating ? cheat : undefined);
    if (index === cheating && cheat) villain = peer;
  }
  const spares = (): void => spans.forEach((span) => [1, 2].forEach(() => join(span)));
  if (!cheat) spares();
  const standings = memoryStandings(() => swarm.clock.now());
  const findings: Finding[] = [];
  /** Findings from answer `firstAudit` on. */
  const counted: Finding[] = [];
  const alarms: string[] = [];
  let audited = 0;
  const asking = swarm.requester(cheat ? undefined : new SessionShelf(swarm.clock));
  for (let n = 0; n < answers; n++) {
    work.isSteady = n >= steadyAfter;
    const before = findings.length;
    const offset = cheat ? n : random.whole(0, 4);
    const prompt = "abcdefghij".repeat(6).slice(offset, offset + random.whole(cheat ? 30 : 8, 55));
    const kill = random.chance(killed);
    const isOver = await answer(
      swarm,
      asking,
      { prompt, maxTokens: random.whole(5, 20), seed: n },
      {
        onToken: (count) => {
          if (cheat && n === 0 && count === 1) spares();
          if (kill && count === 3) {
            const victim = random.pick([...swarm.peers.values()]);
            if (victim.peer !== villain && swarm.holders(victim.span).length > 2) {
              swarm.kill(victim.peer, () => 5 * random.next(), 10);
              join(victim.span);
            }
          }
        },
        onAnswered: (finding) => findings.push(finding),
        standings,
        random,
      },
    );
    if (!isOver) alarms.push(`seed ${seed}: answer ${n} did not end`);
    if (findings.length > before) audited++;
    if (n >= firstAudit) counted.push(...findings.slice(before));
    if (!isOver || counted.some(({ peer }) => peer === villain)) break;
  }
  for (const { peer, judgement } of findings) {
    const isAlarm = judgement.kind !== "agreed" || judgement.wrong.some((each) => each !== villain);
    if (isAlarm && peer !== villain) alarms.push(`seed ${seed}: ${peer} ${JSON.stringify(judgement)}`);
  }
  const found = counted.find(({ peer }) => peer === villain)?.judgement;
  return {
    seed,
    answers,
    audited,
    audits: findings.length,
    alarms,
    cheat: villain,
    verdict: found?.kind,
    answerWork: work.answers,
    auditWork: work.audits,
  };
}

interface AnswerOptions {
  readonly onToken: (count: number) => void;
  readonly onAnswered: (finding: Finding) => void;
  readonly standings: PeerStandings;
  readonly random: Random;
}

/** Asks, and audits the answer. Returns whether both ended. */
async function answer(
  swarm: SimSwarm,
  asking: SimRequester,
  asked: Parameters<SimSwarm["ask"]>[0],
  { onToken, onAnswered, standings, random }: AnswerOptions,
): Promise<boolean> {
  const { clock } = swarm;
  const never = new AbortController().signal;
  let running = 2;
  const audit: OnAnswered = async (record, positions) => {
    try {
      const commitments = await askCommitments(record, { from: 0, to: positions }, clock, record.signal);
      const deps = {
        mesh: asking.mesh,
        clock,
        random: (bytes: Uint8Array<ArrayBuffer>) => random.bytes(bytes),
        standings,
        peers: () => asking.directory.swarm.peers,
        exclude: () => new Set<PeerId>(),
        fraction: () => random.next(),
      };
      for await (const finding of auditAnswer(deps, record, commitments, drawAudits(deps, record), record.signal)) onAnswered(finding);
    } catch {
      // a peer of the route left during the audit, so the session is over
    }
    running--;
  };
  let tokens = 0;
  const read = async (): Promise<void> => {
    for await (const event of swarm.ask(asked, never, asking, audit).events) if (event.kind === "token") onToken(++tokens);
    running--;
  };
  void read();
  return clock.run(() => running === 0, clock.now() + LIMITS.hungMs);
}
