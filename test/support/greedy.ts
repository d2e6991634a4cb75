// Greedy tokens of one engine that holds the whole model, in one session: the reference for answers of several peers.
import type { Engine } from "../../src/engine/contract.ts";
import { asSessionId } from "../../src/shared/ids.ts";

/** Resolves with at most `count` tokens after `prompt`. One of `stops` ends them, and is left out. */
export async function greedyAlone(
  engine: Engine,
  prompt: readonly number[],
  { count, stops, maxPositions }: { readonly count: number; readonly stops: readonly number[]; readonly maxPositions: number },
): Promise<number[]> {
  const session = asSessionId("a".repeat(32));
  await engine.open(session, maxPositions);
  const made: number[] = [];
  let next = prompt;
  for (let position = 0; made.length < count;) {
    const { logits } = await engine.step({
      session,
      position,
      count: next.length,
      tokens: Int32Array.from(next),
      hidden: undefined,
      topK: 1,
    });
    position += next.length;
    const token = logits?.ids[0] ?? 0;
    if (stops.includes(token)) break;
    made.push(token);
    next = [token];
  }
  await engine.close(session);
  return made;
}
