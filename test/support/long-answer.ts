// Finds a prompt whose greedy answer is long, whatever the bundled model has learnt: for tests of events during it.
import { greedyUnsplit } from "./unsplit.ts";

const PROMPTS = ["A small robot named Pip lived in a lighthouse.", "Once upon a time", "The moon", "It was raining, and the cat"];
/** An answer of fewer tokens would be over before a relay has stopped. */
const LONG_TOKENS = 120;

/** Resolves with a prompt and its answer from one unsplit session, at most `maxTokens` long. Rejects if none is. */
export async function findLongAnswer(maxTokens: number): Promise<{ readonly prompt: string; readonly tokens: readonly number[] }> {
  for (const prompt of PROMPTS) {
    const [tokens = []] = await greedyUnsplit([prompt], maxTokens);
    if (tokens.length >= Math.min(LONG_TOKENS, maxTokens)) return { prompt, tokens };
  }
  throw new Error("none of these prompts has a long answer");
}
