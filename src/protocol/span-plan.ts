// What a Web Worker must know of a span to run it: plain data that crosses from the page to its engine worker.
import { ManyhandsError } from "../shared/errors.ts";
import type { ModelId, Span } from "../shared/ids.ts";

/** A tensor that crosses a boundary between layers: `[1, positions, width]`. */
export interface BoundaryTensor {
  readonly name: string;
  readonly type: "float32" | "float16";
  readonly width: number;
}

/** One layer's key or value cache: `[1, heads, positions, headSize]` in and out. */
export interface CacheTensor {
  readonly past: string;
  readonly present: string;
  readonly type: "float32" | "float16";
  readonly heads: number;
  readonly headSize: number;
}

/** Names and shapes of a span's graph. */
export interface SpanPlan {
  readonly model: ModelId;
  readonly span: Span;
  readonly layerCount: number;
  /** Positions that the model was made for. */
  readonly contextLength: number;
  /** Token ids `[1, positions]` int64, for the first span, and for spans that need the ids again. */
  readonly tokens: string | undefined;
  /** int64 `[1, past + positions]` of ones, if the graph takes a mask. */
  readonly attentionMask: string | undefined;
  /** int64 `[1, positions]`, if the graph takes positions. */
  readonly positionIds: string | undefined;
  /** Empty for the first span. */
  readonly boundaryIn: readonly BoundaryTensor[];
  /** Empty for the last span. */
  readonly boundaryOut: readonly BoundaryTensor[];
  /** `[1, positions, vocabulary]`, for the last span. */
  readonly logits: { readonly name: string; readonly type: "float32" | "float16"; readonly vocabularySize: number } | undefined;
  readonly caches: readonly CacheTensor[];
}

/** Bytes of a quantized tensor: a file of the span's external data, or inside the graph if they are few. */
export type PackedBytes =
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "inline"; readonly bytes: Uint8Array<ArrayBuffer> };

/**
 * How to unpack one weight into f32 `[rows, columns]`, row-major: (q - zeroPoint) * scale in
 * f32, blocks of `blockSize` columns, low nibble first. The layout is that of ONNX Runtime's
 * MatMulNBits: packed `[rows, blocks, blockSize * bits / 8]`, scales `[rows, blocks]` f32,
 * zero points `[rows, ceil(blocks * bits / 8)]`, by default the middle of the range.
 */
export interface WeightConversion {
  readonly bits: 4 | 8;
  readonly rows: number;
  readonly columns: number;
  readonly blockSize: number;
  readonly packed: PackedBytes;
  readonly scales: PackedBytes;
  readonly zeroPoints: PackedBytes | undefined;
  /** External file of the converted graph that the result goes into. */
  readonly path: string;
}

/** The same span over unpacked weights, for a backend whose kernel for packed weights is slow. */
export interface ConvertedSpan {
  /** ONNX ModelProto. */
  readonly graph: Uint8Array<ArrayBuffer>;
  readonly conversions: readonly WeightConversion[];
  /** External files that the converted graph no longer reads, once they are unpacked. */
  readonly unusedFiles: readonly string[];
}

/** The row-invariant form of the span's graph, or the reason why there is none. */
export type RowInvariantForm =
  | {
      readonly kind: "graph";
      /** ONNX ModelProto over the same weights as the span's own graph. */
      readonly graph: Uint8Array<ArrayBuffer>;
      /** The same form over unpacked weights. */
      readonly converted: ConvertedSpan | undefined;
      /** Whether a step takes no longer in this form. */
      readonly isFree: boolean;
      /** Cache lengths that no step may cross: the runner splits the step there. Ascending. */
      readonly stepBreaks: readonly number[];
    }
  | { readonly kind: "refused"; readonly reason: string };

/** Weights that a span's graph reads from a file of their own. */
export interface ExternalFile {
  readonly path: string;
  readonly data: Uint8Array<ArrayBuffer>;
  /**
   * Whether a single node reads it. Then a runtime reads it once, while it builds a
   * session, and its memory can be freed at once.
   */
  readonly readOnce?: boolean;
}

/** A span ready for a runtime: its graph, and the weights it refers to as external data. */
export interface SpanSource {
  readonly plan: SpanPlan;
  /** ONNX ModelProto. */
  readonly graph: Uint8Array<ArrayBuffer>;
  readonly externalData: readonly ExternalFile[];
  /** Set if the span has block-quantized weights. */
  readonly converted?: ConvertedSpan | undefined;
  readonly rowInvariant?: RowInvariantForm | undefined;
}

/**
 * A whole span in parts, first to last. Each part becomes a runtime session of its
 * own, which feeds the next: a runtime's heap never shrinks, and while a session
 * is built it needs half as much again as the session holds (docs/decisions.md).
 */
export interface SplitSpan {
  /** The plan of all parts together. */
  readonly plan: SpanPlan;
  readonly parts: readonly SpanSource[];
}

/** All parts as one span. Throws BAD_INPUT if there are none. */
export function joinParts(parts: readonly SpanSource[]): SplitSpan {
  const [first, last] = [parts[0]?.plan, parts.at(-1)?.plan];
  if (!first || !last) throw new ManyhandsError("BAD_INPUT", "a span has at least one part");
  const plan: SpanPlan = {
    ...first,
    span: { start: first.span.start, end: last.span.end },
    boundaryOut: last.boundaryOut,
    logits: last.logits,
    caches: parts.flatMap((part) => part.plan.caches),
  };
  return { plan, parts };
}

/**
 * Whether a span is best run in its row-invariant form. It is if that costs nothing,
 * since the form allows drafts and faster prompts.
 */
export function isBetterRowInvariant({ parts }: SplitSpan): boolean {
  return parts.every(({ rowInvariant }) => rowInvariant?.kind === "graph" && rowInvariant.isFree);
}

/** The buffers of a span, to be transferred when it moves to another thread. */
export function spanBuffers({ parts }: SplitSpan): ArrayBuffer[] {
  return [...new Set(parts.flatMap((part) => [part.graph.buffer, ...part.externalData.map(({ data }) => data.buffer)]))];
}

/**
 * The most bytes of unpacked weights in a WebAssembly heap of 4 GB, beside caches and
 * gaps. Beyond that, weights run packed.
 */
export const MAX_UNPACKED_BYTES = 1.5e9;

/** Bytes of f32 weights that a conversion makes. */
export function convertedBytes({ conversions }: ConvertedSpan): number {
  return conversions.reduce((sum, { rows, columns }) => sum + 4 * rows * columns, 0);
}

const elementBytes = (type: BoundaryTensor["type"]): number => (type === "float16" ? 2 : 4);

/** Bytes of cache that one position of one session takes in this span. */
export function cacheBytesPerPosition(plan: SpanPlan): number {
  return plan.caches.reduce((sum, cache) => sum + cache.heads * cache.headSize * elementBytes(cache.type), 0);
}

/** Bytes of one position of a tensor on the wire. */
export const rowBytes = ({ width, type }: BoundaryTensor): number => width * elementBytes(type);

/** Bytes of one position on the wire at a boundary. */
export function boundaryBytesPerPosition(boundary: readonly BoundaryTensor[]): number {
  return boundary.reduce((sum, tensor) => sum + rowBytes(tensor), 0);
}
