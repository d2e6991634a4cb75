// Handmade weights for a model that repeats its text: two attention layers of a wide model, its embedding and its head.
// The circuit is that of induction heads (Olsson et al., "In-context Learning and Induction Heads", 2022). Two heads of
// the first layer bring to each position the two tokens before it. One head of the second layer finds where the last
// two tokens stood before, and names the token that followed. If they never stood before, the model names a token of
// its own, never the same twice. All other weights are random, so that a step costs the same as in any model of this
// shape.
import type { LlamaShape, LlamaWeight } from "./llama-graph.ts";

/**
 * Far lower frequencies than usual: most pairs of a head then compare tokens at any distance, and a few distinguish
 * positions.
 */
export const COPYING_ROPE_BASE = 1e12;

/** Places in the residual stream. No random weight writes to places before `end`. */
const AT = Object.freeze({ token: 0, one: 64, flag: 65, before: 128, twoBefore: 192, said: 256, end: 320 });
/** How many floats the code of a token has; each is 1 or -1. */
const CODE = 64;
const FLAG = 8;
/**
 * The first pair of the second layer's head that hardly turns within the context, and how many floats compare each
 * token.
 */
const STILL = Object.freeze({ firstPair: 10, last: 31, previous: 12 });
/**
 * In logits: the lead of the true distance over its neighbours, and the weight of each matching float of the last token
 * and of the one before it.
 */
const SHARPNESS = Object.freeze({ distance: 20, last: 5, previous: 2.5 });
/**
 * Logits for "matches nowhere": more than the codes of two different tokens reach by chance (4.6 standard deviations),
 * less than a token reaches with itself.
 */
const SINK = 135;
/** Weight of the model's own token beside the repeated one. */
const OWN = 0.12;
const OWN_STEP = 7919;

/** Returns the value at a row and a column of a weight; undefined if it stays random. */
export type HandMade = (row: number, column: number) => number | undefined;

/**
 * Returns the handmade values of a weight; undefined if it has none. Throws a RangeError for a shape that is too small
 * for the circuit.
 */
export function copyingWeight({ name }: LlamaWeight, shape: LlamaShape, codes: Int8Array): HandMade | undefined {
  if (
    shape.layers < 2 ||
    shape.width < 2 * AT.end ||
    shape.headSize !== CODE ||
    shape.heads < 2 ||
    shape.kvHeads !== shape.heads ||
    (shape.bits ?? 32) !== 32
  )
    throw new RangeError(
      `a copying model has at least 2 layers, a width of ${2 * AT.end}, 32-bit weights, and as many key heads as heads, of size ${CODE}`,
    );
  const code = (token: number, index: number): number => codes[token * CODE + index] ?? 0;
  if (name === "model.embed_tokens.weight") return (token, column) => embedded(token, column, code);
  if (name === "lm_head.MatMul.weight") return (row, token) => said(row, token, shape.vocabulary, code);
  if (/attn\.o_proj|mlp\.down_proj/.test(name)) return writer(layerOf(name), name.includes("o_proj"));
  if (name.includes("attn.qkv_proj") && layerOf(name) === 0) return (row, column) => distanceHeads(row, column, shape);
  if (name.includes("attn.qkv_proj") && layerOf(name) === 1) return (row, column) => inductionHead(row, column, shape);
  return undefined;
}

/**
 * Returns the codes of all tokens, `CODE` floats each. The code of the first token, which begins a text, is all zeros.
 */
export function tokenCodes(vocabulary: number, normal: () => number): Int8Array {
  return Int8Array.from({ length: vocabulary * CODE }, (_, index) => (index < CODE ? 0 : normal() < 0 ? -1 : 1));
}

const layerOf = (name: string): number => Number(/layers\.(\d+)\./.exec(name)?.[1]);

/** Returns the factor of RMS normalization; `squares` is the sum of the residual's squares. */
const normed = (squares: number, { width }: LlamaShape): number => Math.sqrt(width / squares);

function embedded(token: number, column: number, code: (token: number, index: number) => number): number | undefined {
  if (column >= AT.end) return undefined;
  if (column < AT.token + CODE) return code(token, column - AT.token);
  if (column === AT.one) return 1;
  return column === AT.flag && token === 0 ? FLAG : 0;
}

/** The model's head: the token whose code was found, and with less weight the next token in the model's own order. */
function said(row: number, token: number, vocabulary: number, code: (token: number, index: number) => number): number {
  if (row >= AT.said && row < AT.said + CODE) return code(token, row - AT.said);
  if (row >= AT.token + CODE || token === 0) return 0;
  const others = vocabulary - 1; // the first token ends a text
  return OWN * code(1 + ((token - 1 + others - (OWN_STEP % others)) % others), row - AT.token);
}

/** The projections back into the residual stream: only the handmade heads write to the places before `AT.end`. */
function writer(layer: number, isAttention: boolean): HandMade {
  return (row, column) => {
    const [head, index] = [Math.floor(row / CODE), row % CODE];
    const at = !isAttention ? undefined : layer === 0 ? [AT.before, AT.twoBefore][head] : layer === 1 && head === 0 ? AT.said : undefined;
    if (at !== undefined) return column === at + index ? 1 : 0;
    return column < AT.end ? 0 : undefined;
  };
}

/** Queries, keys and values of the first layer: head 0 looks one position back, head 1 looks two back. */
function distanceHeads(row: number, column: number, shape: LlamaShape): number | undefined {
  const { part, head, index } = headColumn(column, shape);
  if (head > 1) return undefined;
  const scale = normed(CODE + 1, shape);
  if (part === "value") return row === AT.token + index ? 1 / scale : 0;
  if (row !== AT.one) return 0;
  const half = CODE / 2;
  const turn = COPYING_ROPE_BASE ** (-(index % half) / half) * (head + 1);
  const amplitude = Math.sqrt(SHARPNESS.distance * Math.sqrt(CODE) * DISTANCE_GAIN) / scale;
  if (part === "key") return index < half ? amplitude : 0;
  return amplitude * (index < half ? Math.cos(turn) : -Math.sin(turn));
}

/** One over the sum by which the cosines of all pairs fall between the true distance and the next. */
const DISTANCE_GAIN =
  1 /
  Array.from({ length: CODE / 2 }, (_, pair) => 1 - Math.cos(COPYING_ROPE_BASE ** ((-2 * pair) / CODE))).reduce((sum, fall) => sum + fall);

/**
 * Queries, keys and values of head 0 of the second layer: compares this token and the last with the two before each
 * position.
 */
function inductionHead(row: number, column: number, shape: LlamaShape): number | undefined {
  const { part, head, index } = headColumn(column, shape);
  if (head > 0) return undefined;
  const scale = normed(3 * CODE + 1, shape);
  if (part === "value") return row === AT.token + index ? 1 / scale : 0;
  const half = CODE / 2;
  const still = half - STILL.firstPair;
  if (index % half < STILL.firstPair) return 0;
  const place = (index % half) - STILL.firstPair + (index < half ? 0 : still);
  const amplitude = (logits: number): number => Math.sqrt(logits * Math.sqrt(CODE)) / scale;
  if (place < STILL.last) return row === (part === "query" ? AT.token : AT.before) + place ? amplitude(SHARPNESS.last) : 0;
  if (place < STILL.last + STILL.previous)
    return row === (part === "query" ? AT.before : AT.twoBefore) + place - STILL.last ? amplitude(SHARPNESS.previous) : 0;
  if (part === "query") return row === AT.one ? amplitude(1) : 0;
  // The first position, which begins the text, gets the attention of queries that match nowhere else.
  return row === AT.flag ? (SINK * amplitude(1) * scale) / (FLAG * normed(FLAG ** 2 + 1, shape)) : 0;
}

function headColumn(
  column: number,
  { heads, headSize }: LlamaShape,
): { readonly part: "query" | "key" | "value"; readonly head: number; readonly index: number } {
  const size = heads * headSize;
  const within = column % size;
  return {
    part: (["query", "key", "value"] as const)[Math.floor(column / size)] ?? "value",
    head: Math.floor(within / headSize),
    index: within % headSize,
  };
}
