// Surrogates for the shapes of tensors that a span does not have: they compute the same
// integers from tensors that it has.
import { ManyhandsError } from "../../shared/errors.ts";
import type { NodeProto, TensorProto } from "../graph/onnx_pb.ts";
import { int64Tensor, intAttribute, makeNode } from "../graph/read-onnx.ts";
import { SEQUENCE, type Size } from "../graph/size.ts";

/** A tensor whose dimension `axis` is the length that a symbol stands for. */
export interface SizeSource {
  readonly symbol: string;
  readonly tensor: string;
  readonly axis: number;
}

/** The symbol for the number of new positions. */
export const SEQUENCE_SYMBOL = SEQUENCE.terms[0]?.[0] ?? "";

/** Collects the graph nodes that compute lengths, each length once, and put shapes together from them. */
export class ShapeSurrogates {
  readonly nodes: NodeProto[] = [];
  readonly constants: TensorProto[] = [];
  /** Tensors whose lengths the nodes read. */
  readonly read = new Set<string>();
  readonly #sources: readonly SizeSource[];
  readonly #made = new Set<string>();

  constructor(sources: readonly SizeSource[]) {
    this.#sources = sources;
  }

  /**
   * Adds nodes that make `output`, a list of integers. Throws MODEL_UNSUPPORTED if a
   * length cannot be found in this span.
   */
  add(output: string, values: readonly Size[]): void {
    const parts = values.map((value) => this.#element(value));
    this.nodes.push(makeNode("Concat", `${output}.surrogate`, parts, [output], [intAttribute("axis", 0)]));
  }

  /** Returns the name of a tensor with one element. */
  #element({ constant, terms }: Size): string {
    const [first, ...rest] = terms.map(([symbol, factor]) => this.#scaled(symbol, factor));
    if (first === undefined) return this.#constant(constant);
    const all = constant === 0 ? rest : [...rest, this.#constant(constant)];
    return all.reduce((sum, part) => this.#binary("Add", sum, part), first);
  }

  #scaled(symbol: string, factor: number): string {
    const length = this.#length(symbol);
    return factor === 1 ? length : this.#binary("Mul", length, this.#constant(factor));
  }

  #length(symbol: string): string {
    const source = this.#sources.find((entry) => entry.symbol === symbol);
    if (source === undefined)
      throw new ManyhandsError("MODEL_UNSUPPORTED", `a span would need a length that only other layers have ("${symbol}")`);
    const name = `span.length.${symbol}`;
    if (this.#isNew(name)) {
      this.read.add(source.tensor);
      this.nodes.push(makeNode("Shape", `${name}.shape`, [source.tensor], [`${name}.shape`]));
      this.nodes.push(makeNode("Gather", name, [`${name}.shape`, this.#constant(source.axis)], [name]));
    }
    return name;
  }

  #binary(op: string, a: string, b: string): string {
    const name = `span.${op}(${a},${b})`;
    if (this.#isNew(name)) this.nodes.push(makeNode(op, name, [a, b], [name]));
    return name;
  }

  #constant(value: number): string {
    const name = `span.constant.${value}`;
    if (this.#isNew(name)) this.constants.push(int64Tensor(name, [value]));
    return name;
  }

  #isNew(name: string): boolean {
    if (this.#made.has(name)) return false;
    this.#made.add(name);
    return true;
  }
}
