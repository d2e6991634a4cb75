// The form for running a model over inputs: an ONNX file, and tensors as JSON.
import { exampleFile, FILE_MAX_BYTES, jsonText, type KindForm, tooLarge, wrong } from "./form.ts";
import { plural } from "../../parts/format.ts";
import { readJson } from "./read-json.ts";
import { readSets, showTensors } from "./tensors.ts";

/** The example, an ONNX file in base64: y = x W + b with three inputs, two outputs and any number of rows. */
const LINEAR =
  "CAg6pgEKHAoBeAoBdxICeHcaCG11bHRpcGx5IgZNYXRNdWwKFAoCeHcKAWISAXkaA2FkZCIDQWRkEgZsaW5lYXIqIwgDCAIQASIYmpkZP83MzL6amRk/zczMvs3MTL5mZmY/QgF3KhEIAhABIggAAAAAzczMPUIBYloXCgF4EhIKEAgBEgwKBhIEcm93cwoCCANiFwoBeRISChAIARIMCgYSBHJvd3MKAggCQgQKABAR";

/** For the price before anybody has measured: most weights take four bytes, and one multiply-add per row of inputs. */
const BYTES_PER_MULTIPLY_ADD = 4;

export const modelForm: KindForm<"ml_inference"> = {
  kind: "ml_inference",
  place: 70,
  title: "Run a model",
  about: "Any ONNX model over inputs of yours. Each set of inputs is one run; many tabs share many sets.",
  verb: "Run it",
  fields: [
    {
      kind: "file",
      name: "model",
      label: "Model",
      accept: ".onnx",
      hint: "One .onnx file with its weights in it. This browser keeps it in pieces, which the tabs that compute fetch.",
    },
    {
      kind: "text",
      name: "sets",
      label: "Inputs, as JSON",
      rows: 6,
      isCode: true,
      placeholder: '[{ "x": [[1, 2, 3]] }]',
      hint: 'The model\'s inputs by name, as nested lists; numbers other than 32-bit floats as { "type": "int64", "data": [[1, 2]] }.',
    },
  ],
  start: { sets: "" },
  examples: [
    {
      label: "A small linear model",
      fill: () => ({
        values: { sets: '[\n  { "x": [[5.1, 3.5, 1.4]] },\n  { "x": [[6.2, 2.9, 4.3], [7.7, 3.8, 6.7]] }\n]' },
        files: { model: exampleFile(LINEAR, "linear.onnx") },
      }),
    },
  ],
  async read({ values, files }) {
    const { model: file } = files;
    if (file === undefined) return wrong("model", "Choose an .onnx file first, or take the example.");
    if (file.size > FILE_MAX_BYTES) return wrong("model", tooLarge(file));
    if (file.size === 0) return wrong("model", `“${file.name}” is empty.`);
    const json = readJson(values["sets"] ?? "", "sets");
    if ("wrong" in json) return json;
    const sets = readSets(json.value, "sets");
    if ("wrong" in sets) return sets;
    const bytes = new Uint8Array(await file.arrayBuffer());
    const multiplyAdds = Math.max(1, Math.round(file.size / BYTES_PER_MULTIPLY_ADD));
    return {
      data: async (node) => ({ model: await node.keepModel(bytes), sets, multiplyAdds }),
      label: `${file.name} over ${plural(sets.length, "set")} of inputs`,
    };
  },
  text: (value) => jsonText(value.map(showTensors), "tensors"),
};

export const FORMS: readonly KindForm[] = [modelForm];
