// One node of a decoder's graph, as the cutter sees it.
import type { NodeProto } from "./onnx_pb.ts";

/** Which part of the file's node this is: a fused skip normalisation counts as two nodes, its sum and its norm. */
type NodePart = "whole" | "sum" | "norm";

export interface GraphNode {
  readonly part: NodePart;
  readonly proto: NodeProto;
  /** Names of the tensors that it reads, including those that its subgraphs read from outside. Never empty strings. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}
