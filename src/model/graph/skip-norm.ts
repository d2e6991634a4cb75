// Sees a fused Skip(Simplified)LayerNormalization as a sum and a norm, so that a single
// residual tensor crosses between layers.
import { ManyhandsError } from "../../shared/errors.ts";
import type { GraphNode } from "./graph-node.ts";
import type { NodeProto, TensorProto } from "./onnx_pb.ts";
import { attribute, ElementType, intAttribute, makeNode } from "./read-onnx.ts";

const PLAIN_NORM = new Map([
  ["SkipSimplifiedLayerNormalization", "SimplifiedLayerNormalization"],
  ["SkipLayerNormalization", "LayerNormalization"],
]);

/** Inputs and outputs of the fused operators by position (com.microsoft, ONNX Runtime's ContribOperators.md). */
interface FusedNames {
  readonly input: string;
  readonly skip: string;
  readonly scale: string;
  /** Added after the norm. SkipLayerNormalization only. */
  readonly shift: string;
  /** Added to the sum. */
  readonly bias: string;
  readonly normed: string;
  /** The sum before the norm. The file may leave it out: then it gets a name of our own. */
  readonly sum: string;
}

const at = (names: readonly string[], index: number): string => names[index] ?? "";
const present = (names: readonly string[]): string[] => names.filter((name) => name !== "");

function fusedNames(proto: NodeProto): FusedNames {
  const simplified = proto.opType === "SkipSimplifiedLayerNormalization";
  const normed = at(proto.output, 0);
  return {
    input: at(proto.input, 0),
    skip: at(proto.input, 1),
    scale: at(proto.input, 2),
    shift: simplified ? "" : at(proto.input, 3),
    bias: at(proto.input, simplified ? 3 : 4),
    normed,
    sum: at(proto.output, 3) || `${normed}.sum`,
  };
}

/**
 * The two parts of a fused node; undefined if it has to stay whole. It has to in half precision, in which the fused
 * kernel norms the unrounded sum, so two kernels would give other bits (2e-4 off), and if its statistics are read.
 */
export function splitSkipNorm(proto: NodeProto, initializers: ReadonlyMap<string, TensorProto>): GraphNode[] | undefined {
  if (!PLAIN_NORM.has(proto.opType)) return undefined;
  const names = fusedNames(proto);
  if (initializers.get(names.scale)?.dataType !== ElementType.FLOAT || proto.output[1] || proto.output[2]) return undefined;
  return [
    { part: "sum", proto, inputs: present([names.input, names.skip, names.bias]), outputs: [names.sum] },
    { part: "norm", proto, inputs: present([names.sum, names.scale, names.shift]), outputs: [names.normed] },
  ];
}

/**
 * The graph nodes for one part alone. The sum adds in the order of the fused kernel, so it has the same bits. Throws
 * MODEL_UNSUPPORTED for a whole node.
 */
export function emitPart(node: GraphNode): NodeProto[] {
  const { proto } = node;
  const names = fusedNames(proto);
  const plain = PLAIN_NORM.get(proto.opType);
  if (node.part === "whole" || plain === undefined) throw new ManyhandsError("MODEL_UNSUPPORTED", `"${proto.name}" has no parts`);
  if (node.part === "sum") {
    if (names.bias === "") return [makeNode("Add", `${proto.name}.sum`, [names.input, names.skip], [names.sum])];
    const half = `${names.sum}.half`;
    return [
      makeNode("Add", `${proto.name}.sum/0`, [names.input, names.skip], [half]),
      makeNode("Add", `${proto.name}.sum/1`, [half, names.bias], [names.sum]),
    ];
  }
  const epsilon = attribute(proto, "epsilon");
  const inputs = [names.sum, names.scale, ...(names.shift === "" ? [] : [names.shift])];
  const attributes = [intAttribute("axis", -1), intAttribute("stash_type", 1), ...(epsilon === undefined ? [] : [epsilon])];
  return [makeNode(plain, `${proto.name}.norm`, inputs, [names.normed], attributes)];
}

/** Whether the fused node itself has the sum as an output. */
export const givesSum = (proto: NodeProto): boolean => (proto.output[3] ?? "") !== "";
