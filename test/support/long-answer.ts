// A prompt whose greedy answer is long, whatever the bundled model has learnt: for tests of what happens meanwhile.
import { greedyUnsplit } from "./unsplit.ts";

const PROMPTS = ["A small robot named Pip lived in a lighthouse.", "Once upon a time", "The moon", "It was raining, and the cat"];
/** Fewer are over before a relay has stopped. */
const LONG_TOKENS = 120;

/** The prompt, and the tokens that one unsplit session answers: at most `maxTokens`. Throws where none is long. */
export async function findLongAnswer(maxTokens: number): Promise<{ readonly prompt: string; readonly tokens: readonly number[] }> {
  for (const prompt of PROMPTS) {
    const [tokens = []] = await greedyUnsplit([prompt], maxTokens);
    if (tokens.length >= Math.min(LONG_TOKENS, maxTokens)) return { prompt, tokens };
  }
  throw new Error("no prompt of these has a long answer");
}
