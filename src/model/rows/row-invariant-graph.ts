// Building blocks for the row-invariant rewrites: graph nodes of both operator sets,
// branches, and names that collide with none.
import { create } from "@bufbuild/protobuf";
import {
  type AttributeProto,
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  type GraphProto,
  GraphProtoSchema,
  type NodeProto,
  type TensorProto,
  TensorProtoSchema,
  type ValueInfoProto,
} from "../graph/onnx_pb.ts";
import { ElementType, int64Tensor, intAttribute, makeNode } from "../graph/read-onnx.ts";

const MICROSOFT = "com.microsoft";

/** Collects graph nodes under one prefix. Each method returns the name of the tensor that it makes. */
export class NodeList {
  readonly nodes: NodeProto[] = [];
  readonly #prefix: string;
  readonly #constants: Constants;

  constructor(prefix: string, constants: Constants) {
    this.#prefix = prefix;
    this.#constants = constants;
  }

  /** A node with one output, named after `part` unless `output` says otherwise. */
  add(opType: string, part: string, inputs: readonly string[], attributes: readonly AttributeProto[] = [], output?: string): string {
    const name = `${this.#prefix}/${part}`;
    this.nodes.push(makeNode(opType, name, inputs, [output ?? name], attributes));
    return output ?? name;
  }

  /** The same for an operator of ONNX Runtime's own set. */
  addOwn(opType: string, part: string, inputs: readonly string[], attributes: readonly AttributeProto[] = [], output?: string): string {
    const made = this.add(opType, part, inputs, attributes, output);
    (this.nodes.at(-1) as NodeProto).domain = MICROSOFT; // the node just added
    return made;
  }

  /** Splits `input` along its last axis; returns the names of the parts. */
  split(part: string, input: string, lengths: readonly number[]): readonly string[] {
    const names = lengths.map((_, index) => `${this.#prefix}/${part}.${index}`);
    this.nodes.push(
      makeNode("Split", `${this.#prefix}/${part}`, [input, this.#constants.integers(lengths)], names, [intAttribute("axis", -1)]),
    );
    return names;
  }

  reshape(part: string, input: string, shape: readonly number[], output?: string): string {
    return this.add("Reshape", part, [input, this.#constants.integers(shape)], [], output);
  }

  /** `[start, end)` along one axis. Negative numbers count from the end. */
  slice(part: string, input: string, axis: number, start: number, end: number, output?: string): string {
    const { integers } = this.#constants;
    return this.add("Slice", part, [input, integers([start]), integers([end]), integers([axis])], [], output);
  }
}

/** Constants that the new graph nodes read, each value once. */
export class Constants {
  readonly tensors: TensorProto[] = [];
  readonly #names = new Set<string>();

  /** The name of a one-dimensional int64 tensor. */
  readonly integers = (values: readonly number[]): string =>
    this.#once(`rows/int64/${values.join(",")}`, (name) => int64Tensor(name, values));

  /** The name of an int64 of rank 0. */
  readonly index = (value: number): string => this.#once(`rows/index/${value}`, (name) => ({ ...int64Tensor(name, [value]), dims: [] }));

  /** The name of a one-dimensional float tensor. */
  readonly floats = (values: readonly number[]): string =>
    this.#once(`rows/float/${values.join(",")}`, (name) =>
      create(TensorProtoSchema, {
        name,
        dataType: ElementType.FLOAT,
        dims: [BigInt(values.length)],
        rawData: new Uint8Array(Float32Array.from(values).buffer),
      }),
    );

  #once(name: string, make: (name: string) => TensorProto): string {
    if (!this.#names.has(name)) {
      this.#names.add(name);
      this.tensors.push(make(name));
    }
    return name;
  }
}

export function floatAttribute(name: string, value: number): AttributeProto {
  return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.FLOAT, f: value });
}

export function intsAttribute(name: string, values: readonly number[]): AttributeProto {
  return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INTS, ints: values.map(BigInt) });
}

/** A branch of an If. It reads the tensors that it needs from the graph around it. */
export function branch(name: string, nodes: readonly NodeProto[], outputs: readonly ValueInfoProto[]): GraphProto {
  return create(GraphProtoSchema, { name, node: [...nodes], output: [...outputs] });
}

export function graphAttribute(name: string, graph: GraphProto): AttributeProto {
  return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.GRAPH, g: graph });
}
