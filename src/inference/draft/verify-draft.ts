// Checks drafted tokens against the model, one after the other with the answer's own sampler, so that the text is the
// same as without a draft.
import type { Candidates, Sampler } from "../../model/text/sampler.ts";

/**
 * Yields the tokens that follow `history`, as step-by-step decoding would. `rows` holds the candidates after the last
 * token of `history` and after each drafted token. The caller appends each token to `history` before it asks for the
 * next, so the sampler sees the same candidates, the same history and the same draws as without a draft. Ends after the
 * first token that was not drafted: the model's own token after a guess that failed, or the token of the last row. A
 * caller may stop early, at a stop token or at the end of the answer: the sampler has then drawn nothing that it should
 * not have. Throws as Sampler.next does.
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
