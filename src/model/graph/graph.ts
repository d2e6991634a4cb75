// A decoder's graph as nodes and named tensors in topological order: layers are found in it, and spans are cut from it.
import { ManyhandsError } from "../../shared/errors.ts";
import type { GraphNode } from "./graph-node.ts";
import type { GraphProto, ModelProto, NodeProto, TensorProto } from "./onnx_pb.ts";
import { readOnnx, type TensorInfo, tensorInfo } from "./read-onnx.ts";
import { splitSkipNorm } from "./skip-norm.ts";

export interface Graph {
  readonly model: ModelProto;
  /** Each node comes after the nodes that it reads from. */
  readonly nodes: readonly GraphNode[];
  /** By tensor name: the index of the node that makes it. */
  readonly producer: ReadonlyMap<string, number>;
  /** By tensor name: the indices of the nodes that read it. */
  readonly consumers: ReadonlyMap<string, readonly number[]>;
  readonly initializers: ReadonlyMap<string, TensorProto>;
  /** Graph inputs that are not initializers, in the file's order. */
  readonly inputs: ReadonlyMap<string, TensorInfo>;
  readonly outputs: ReadonlyMap<string, TensorInfo>;
  /** What the file says about tensors between inputs and outputs. May be empty. */
  readonly values: ReadonlyMap<string, TensorInfo>;
}

/**
 * Reads an ONNX file, with its weights inside or outside. Throws MODEL_CORRUPT if it does not parse, MODEL_UNSUPPORTED
 * if nodes read tensors that nothing makes, or read each other in a circle.
 */
export function readGraph(bytes: Uint8Array): Graph {
  const { model, graph } = readOnnx(bytes);
  const initializers = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
  const inputs = infos(graph.input.filter((input) => !initializers.has(input.name)));
  const unsorted = graph.node.flatMap((proto) => splitSkipNorm(proto, initializers) ?? [wholeNode(proto)]);
  const nodes = sortTopologically(unsorted, new Set([...initializers.keys(), ...inputs.keys()]));
  const producer = new Map<string, number>();
  const consumers = new Map<string, number[]>();
  nodes.forEach((node, index) => {
    for (const name of node.outputs) producer.set(name, index);
    for (const name of new Set(node.inputs)) {
      const readers = consumers.get(name);
      if (readers === undefined) consumers.set(name, [index]);
      else readers.push(index);
    }
  });
  return { model, nodes, producer, consumers, initializers, inputs, outputs: infos(graph.output), values: infos(graph.valueInfo) };
}

function infos(values: GraphProto["input"]): Map<string, TensorInfo> {
  const found = new Map<string, TensorInfo>();
  for (const value of values) {
    const info = tensorInfo(value);
    if (info !== undefined) found.set(value.name, info);
  }
  return found;
}

function wholeNode(proto: NodeProto): GraphNode {
  const inputs = new Set(proto.input.filter((name) => name !== ""));
  for (const name of outerReferences(proto)) inputs.add(name);
  return { part: "whole", proto, inputs: [...inputs], outputs: proto.output.filter((name) => name !== "") };
}

/** Names that the subgraphs of a node (If, Loop, Scan) read from the scope around them. */
function outerReferences(proto: NodeProto): Set<string> {
  const outer = new Set<string>();
  for (const entry of proto.attribute) {
    for (const graph of [...(entry.g === undefined ? [] : [entry.g]), ...entry.graphs]) {
      const own = new Set([...graph.input, ...graph.initializer].map((value) => value.name));
      for (const node of graph.node) for (const name of node.output) own.add(name);
      const read = graph.node.flatMap((node) => [...node.input, ...outerReferences(node)]);
      for (const name of [...read, ...graph.output.map((value) => value.name)]) if (name !== "" && !own.has(name)) outer.add(name);
    }
  }
  return outer;
}

/** Kahn's algorithm: real exports are not sorted. Nodes that are ready at the same time keep the file's order. */
function sortTopologically(nodes: readonly GraphNode[], given: ReadonlySet<string>): GraphNode[] {
  const producer = new Map(nodes.flatMap((node, index) => node.outputs.map((name) => [name, index] as const)));
  const waiting = nodes.map(() => 0);
  const readers = nodes.map((): number[] => []);
  nodes.forEach((node, index) => {
    for (const name of new Set(node.inputs)) {
      if (given.has(name)) continue;
      const from = producer.get(name);
      if (from === undefined)
        throw new ManyhandsError("MODEL_UNSUPPORTED", `the graph reads "${name}", which nothing makes: the file is incomplete`);
      readers[from]?.push(index);
      waiting[index] = (waiting[index] ?? 0) + 1;
    }
  });
  const ready = waiting.flatMap((count, index) => (count === 0 ? [index] : []));
  const sorted: GraphNode[] = [];
  for (let at = 0; at < ready.length; at++) {
    const index = ready[at] as number; // within bounds: `at` is smaller than the length
    sorted.push(nodes[index] as GraphNode);
    for (const reader of readers[index] as number[]) {
      const left = (waiting[reader] as number) - 1;
      waiting[reader] = left;
      if (left === 0) ready.push(reader);
    }
  }
  if (sorted.length < nodes.length) throw new ManyhandsError("MODEL_UNSUPPORTED", "the graph's nodes read each other in a circle");
  return sorted;
}
