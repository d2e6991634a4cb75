// A model of one layer as an ONNX file: y = x W + b, floats, any number of rows.
import { create, toBinary } from "@bufbuild/protobuf";
import {
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  TensorProto_DataType,
  TensorProtoSchema,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from "../../src/model/graph/onnx_pb.ts";

/** The file's bytes. `weights` are `[inputs][outputs]`. */
export function linearModel(weights: readonly (readonly number[])[], bias: readonly number[]): Uint8Array<ArrayBuffer> {
  const tensor = (name: string, dims: readonly number[], values: readonly number[]) =>
    create(TensorProtoSchema, { name, dataType: TensorProto_DataType.FLOAT, dims: dims.map(BigInt), floatData: [...values] });
  const value = (name: string, width: number) =>
    create(ValueInfoProtoSchema, {
      name,
      type: create(TypeProtoSchema, {
        value: {
          case: "tensorType",
          value: create(TypeProto_TensorSchema, {
            elemType: TensorProto_DataType.FLOAT,
            shape: create(TensorShapeProtoSchema, {
              dim: [
                create(TensorShapeProto_DimensionSchema, { value: { case: "dimParam", value: "rows" } }),
                create(TensorShapeProto_DimensionSchema, { value: { case: "dimValue", value: BigInt(width) } }),
              ],
            }),
          }),
        },
      }),
    });
  const graph = create(GraphProtoSchema, {
    name: "linear",
    node: [
      create(NodeProtoSchema, { opType: "MatMul", name: "multiply", input: ["x", "w"], output: ["xw"] }),
      create(NodeProtoSchema, { opType: "Add", name: "add", input: ["xw", "b"], output: ["y"] }),
    ],
    initializer: [tensor("w", [weights.length, bias.length], weights.flat()), tensor("b", [bias.length], bias)],
    input: [value("x", weights.length)],
    output: [value("y", bias.length)],
  });
  const model = create(ModelProtoSchema, {
    irVersion: 8n,
    opsetImport: [create(OperatorSetIdProtoSchema, { domain: "", version: 17n })],
    graph,
  });
  return new Uint8Array(toBinary(ModelProtoSchema, model));
}
