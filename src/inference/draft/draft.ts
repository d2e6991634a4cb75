// Checks drafted tokens against the model, one after the other with the answer's own sampler: the text is the same as without.
import type { Candidates, Sampler } from "../../model/text/sampler.ts";

/**
 * Yields the tokens that follow `history`, as step-by-step decoding would: `rows` holds the candidates after the last
 * token of `history` and after each drafted one. The caller appends each token to `history` before it asks for the next;
 * the sampler so sees the same candidates, the same history and the same draws as without a draft. Ends after the first
 * token that was not drafted: the last row's, or the model's own where a guess failed. A caller that stops early (a stop
 * token, a full answer) has drawn nothing too much. Throws as Sampler.next does.
 */
export function* verifyDraft(
  draft: readonly number[],
  rows: readonly Candidates[],
  sampler: Pick<Sampler, "next">,
  history: readonly number[],
): Generator<number, void> {
  for (const [index, candidates] of rows.entries()) {
    const token = sampler.next(candidates, history);
    yield token;
    if (token !== draft[index]) return;
  }
}
