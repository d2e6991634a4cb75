// What the rules of size inference see of a node, and what they find out about a tensor.
import type { AttributeProto } from "./onnx_pb.ts";
import type { Size } from "./size.ts";

/** Integer tensors with more elements are no shapes. */
export const MAX_VALUES = 64;

/** What is known of a tensor. */
export interface Facts {
  readonly dims: readonly Size[] | undefined;
  /** Elements of a scalar or of a list of integers. */
  readonly values: readonly Size[] | undefined;
}

/** A node as the rules see it. */
export interface NodeFacts {
  readonly op: string;
  readonly dims: (input: number) => readonly Size[] | undefined;
  readonly values: (input: number) => readonly Size[] | undefined;
  readonly attribute: (name: string) => AttributeProto | undefined;
  readonly inputs: number;
  readonly outputs: number;
}
