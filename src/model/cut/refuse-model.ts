// Refuses graphs that are no plain decoder, with the reason why each kind cannot be cut, and what to do instead.
import { ManyhandsError } from "../../shared/errors.ts";
import { readCacheName } from "../graph/cache-name.ts";
import type { Graph } from "../graph/graph.ts";

const EXPORT_INSTEAD =
  'export a decoder with its KV cache as inputs and outputs, for instance with onnxruntime-genai\'s model builder or "optimum-cli export onnx --task text-generation-with-past"';
const CHOOSE_INSTEAD = "choose a decoder-only model whose layers all keep a key and value cache, such as Llama, Qwen3 or Gemma 3";
const UNMERGE = 'take the file that has only the branch with past (decoder_with_past_model.onnx), or export again with "--no-post-process"';
const UNPAGE = "export again without paged attention (use_paged_attention=false)";

/** Inputs that reveal the kind of a model. The first that matches gives the reason. */
const SIGNS: readonly { readonly input: RegExp; readonly reason: string; readonly advice: string }[] = [
  {
    input: /^encoder_|\.(?:encoder|decoder|cross)\.|cross_(?:key|value|attn)/,
    reason: "this is one half of an encoder-decoder model",
    advice: CHOOSE_INSTEAD,
  },
  {
    input: /conv|ssm|recurrent|mamba|rwkv|linear_attn|(?:^|[._])states?(?:[._]|$)/,
    reason: "some layers keep a state that is not a key and value cache (a hybrid model)",
    advice: CHOOSE_INSTEAD,
  },
  {
    input: /^use_cache_branch$/,
    reason: "this is a merged export: the model with and the model without past lie inside one If node",
    advice: UNMERGE,
  },
  { input: /^block_tables?$|^slot_mapping$/, reason: "the caches are kept in pages that only a server assigns", advice: UNPAGE },
  {
    input: /^inputs_embeds$/,
    reason: "the graph takes embeddings in place of token ids",
    advice: "export again with the embedding inside (without exclude_embeds)",
  },
];

/** Throws MODEL_UNSUPPORTED, with reason and advice, for the kinds of graphs that their inputs reveal. */
export function refuseOtherModels(graph: Graph): void {
  const read = [...graph.inputs.keys()].filter((name) => graph.consumers.has(name));
  for (const { input, reason, advice } of SIGNS) {
    const name = read.find((entry) => input.test(entry));
    if (name !== undefined) throw new ManyhandsError("MODEL_UNSUPPORTED", `${reason} (input "${name}"); ${advice}`);
  }
  if (!read.some((name) => readCacheName(name, "past") !== undefined))
    throw unsupported("the graph has no cache inputs (past_key_values.N.key or past_N)");
}

/** Throws MODEL_UNSUPPORTED for layers inside a graph node with graphs of its own. */
export function refuseNested(op: string): void {
  if (op === "If")
    throw new ManyhandsError(
      "MODEL_UNSUPPORTED",
      `the layers lie inside an If node: this is a merged export of a model with and without past; ${UNMERGE}`,
    );
  if (op === "Loop" || op === "Scan") throw unsupported(`the layers lie inside a ${op} node, which runs them one after the other as one`);
}

/** The error for a graph that another export of the same model would not have. */
export function unsupported(reason: string): ManyhandsError {
  return new ManyhandsError("MODEL_UNSUPPORTED", `${reason}; ${EXPORT_INSTEAD}`);
}
