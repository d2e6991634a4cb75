// Splits an ONNX file into its structure and the byte ranges of its weights: a peer
// fetches the small part whole, the large part in pieces.
import { create } from "@bufbuild/protobuf";
import { ManyhandsError } from "../../shared/errors.ts";
import { GraphProtoSchema, ModelProtoSchema, type TensorProto } from "../graph/onnx_pb.ts";
import { asExternal, externalRange, readOnnx, tensorBytes, type TensorRange, writeOnnx } from "../graph/read-onnx.ts";

/**
 * Weights of up to this many bytes stay in the graph: scalars, shapes, small tables.
 * Tiles of their own would cost more.
 */
export const INLINE_MAX_BYTES = 1024;

/** One tensor of weights outside the graph. */
export interface WeightTensor {
  readonly name: string;
  readonly source: TensorRange;
  /** ONNX element type code. */
  readonly type: number;
  readonly dims: readonly number[];
}

export interface DetachedModel {
  /** The graph without large weights: the file itself if it has none inside. */
  readonly skeleton: Uint8Array;
  /** Whether the skeleton differs from the file. Then it has to be kept as a file of its own. */
  readonly isRewritten: boolean;
  readonly weights: readonly WeightTensor[];
}

/**
 * Finds where every weight lies: in external files, or in `bytes`, which is the file named `file`. Throws MODEL_CORRUPT
 * and MODEL_UNSUPPORTED as readOnnx does, and MODEL_UNSUPPORTED for weights that are not stored as raw bytes.
 */
export function detachWeights(bytes: Uint8Array, file: string): DetachedModel {
  const { model, graph } = readOnnx(bytes);
  let isRewritten = false;
  const initializer = graph.initializer.map((tensor): TensorProto => {
    if (externalRange(tensor) !== undefined || storedBytes(tensor) <= INLINE_MAX_BYTES) return tensor;
    isRewritten = true;
    // Parsing left a view into `bytes`: the view starts where the weight lies in the file.
    return asExternal(tensor, { file, offset: tensor.rawData.byteOffset - bytes.byteOffset, length: tensor.rawData.byteLength });
  });
  const weights = initializer.flatMap((tensor): WeightTensor[] => {
    const source = externalRange(tensor);
    return source === undefined ? [] : [{ name: tensor.name, source, type: tensor.dataType, dims: tensor.dims.map(Number) }];
  });
  if (!isRewritten) return { skeleton: bytes, isRewritten, weights };
  const skeleton = writeOnnx(create(ModelProtoSchema, { ...model, graph: create(GraphProtoSchema, { ...graph, initializer }) }));
  return { skeleton, isRewritten, weights };
}

/** Bytes of a tensor that is stored inside the graph. */
function storedBytes(tensor: TensorProto): number {
  if (tensor.rawData.byteLength > 0) return tensor.rawData.byteLength;
  const bytes = tensorBytes(tensor.dataType, tensor.dims.map(Number)) ?? 0;
  if (bytes > INLINE_MAX_BYTES) {
    throw new ManyhandsError(
      "MODEL_UNSUPPORTED",
      `the weights of "${tensor.name}" are not stored as raw bytes; save the model with external data`,
    );
  }
  return bytes;
}
