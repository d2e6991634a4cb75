"""Writes a trained run as the folder that a peer loads: ONNX graph, external weights, tokenizer and configurations.

The graph has the form that onnxruntime-genai's model builder gives a Llama with grouped-query attention, with the same
names of nodes, tensors and files. A tied output head is a Transpose of the embedding. Afterwards the logits of ONNX
Runtime are compared with those of PyTorch, for a whole prompt at once and token by token with the cache.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer

from configs import genai_config, tokenizer_config
from data import END_OF_TEXT
from model import Config, StoryModel, rope_caches

DATA_FILE = "model.onnx.data"
MICROSOFT = "com.microsoft"
FLOAT, INT64, INT32 = TensorProto.FLOAT, TensorProto.INT64, TensorProto.INT32
TOLERANCE = 2e-4


class GraphWriter:
    """Collects nodes, the shapes of their outputs, and initializers with the bytes of the data file."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.values: list[onnx.ValueInfoProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.data = bytearray()

    def node(self, op: str, name: str, inputs: list[str], outputs: list[str], domain: str = "", **attributes) -> str:
        """Appends a node and returns its first output."""
        self.nodes.append(helper.make_node(op, inputs, outputs, name=name, domain=domain, **attributes))
        return outputs[0]

    def value(self, name: str, element: int, shape: list) -> None:
        self.values.append(helper.make_tensor_value_info(name, element, shape))

    def hidden(self, op: str, name: str, inputs: list[str], width: int, output: str = "", **attributes) -> str:
        """Appends a node with a float output [batch, sequence, width], named for the node unless `output` is given."""
        output = output or f"{name}/output_0"
        self.value(output, FLOAT, ["batch_size", "sequence_length", width])
        return self.node(op, name, inputs, [output], **attributes)

    def initializer(self, name: str, tensor: torch.Tensor) -> str:
        """Appends a float32 tensor to the data file, without a gap after the last one."""
        array = np.ascontiguousarray(tensor.detach().numpy(), dtype="<f4")
        proto = TensorProto(name=name, data_type=FLOAT, dims=array.shape, data_location=TensorProto.EXTERNAL)
        for key, text in (("location", DATA_FILE), ("offset", len(self.data)), ("length", array.nbytes)):
            proto.external_data.add(key=key, value=str(text))
        self.initializers.append(proto)
        self.data += array.tobytes()
        return name

    def constant(self, dims: str, array: np.ndarray) -> str:
        """Appends an int64 constant, with the name that the builder would give it."""
        tensor = numpy_helper.from_array(array, f"/model/numpy_helper/TensorProto.INT64/{dims}/1")
        output = f"/model/constants/TensorProto.INT64/{dims}/1"
        self.value(output, INT64, [])
        return self.node("Constant", f"/model/constant_nodes/TensorProto.INT64/{dims}/1", [], [output], value=tensor)


def write_mask(w: GraphWriter) -> tuple[str, str]:
    """Computes for GroupQueryAttention, from attention_mask: (last position of each row, total length), as int32."""
    base = "/model/attn_mask_reformat/attn_mask_subgraph"
    one = w.constant("1D", np.array([1], dtype=np.int64))
    names = [f"{base}/{name}" for name in ("ReduceSum", "Sub", "Sub/Cast", "Shape", "Gather", "Gather/Cast")]
    shapes = [["batch_size", 1], ["batch_size", 1], ["batch_size", 1], [2], [], []]
    total, last, last32, shape, length, length32 = (f"{name}/output_0" for name in names)
    for name, dims in zip(names, shapes, strict=True):
        w.value(f"{name}/output_0", INT32 if name.endswith("Cast") else INT64, dims)
    w.node("ReduceSum", names[0], ["attention_mask", one], [total])
    w.node("Sub", names[1], [total, one], [last])
    w.node("Cast", names[2], [last], [last32], to=INT32)
    w.node("Shape", names[3], ["attention_mask"], [shape])
    second = w.constant("0D", np.array(1, dtype=np.int64))
    w.node("Gather", names[4], [shape, second], [length], axis=0)
    w.node("Cast", names[5], [length], [length32], to=INT32)
    return last32, length32


def write_skip_norm(w: GraphWriter, base: str, skip: str, root: str, weight: torch.Tensor, c: Config, last: bool) -> str:
    """Adds `root` to the residual stream `skip` (the sum is output_3, absent after the last layer) and normalizes."""
    scale = w.initializer(f"{base[1:].replace('/', '.')}.weight", weight)
    outputs = [f"{base}/output_0"] if last else [f"{base}/output_0", "", "", f"{base}/output_3"]
    for output in filter(None, outputs):
        w.value(output, FLOAT, ["batch_size", "sequence_length", c.hidden_size])
    name = f"{base}/SkipLayerNorm"
    inputs = [skip, root, scale]
    return w.node("SkipSimplifiedLayerNormalization", name, inputs, outputs, MICROSOFT, epsilon=c.norm_epsilon)


def write_attention(w: GraphWriter, i: int, x: str, weights: dict, mask: tuple[str, str], c: Config) -> str:
    """Packed projection, rotary grouped-query attention with the cache of layer i, output projection."""
    base, prefix = f"/model/layers.{i}/attn", f"model.layers.{i}.attn"
    packed = w.initializer(f"{prefix}.qkv_proj.MatMul.weight", weights["attn.qkv_proj.weight"].T)
    qkv = w.hidden("MatMul", f"{base}/qkv_proj/MatMul", [x, packed], (c.query_heads + 2 * c.kv_heads) * c.head_size)
    if i == 0:
        for name, cache in zip(("cos_cache", "sin_cache"), rope_caches(c), strict=True):
            w.initializer(name, cache)
    attention = f"{base}/GroupQueryAttention"
    width = c.query_heads * c.head_size
    w.value(f"{attention}/output_0", FLOAT, ["batch_size", "sequence_length", width])
    past = [f"past_key_values.{i}.key", f"past_key_values.{i}.value"]
    y = w.node(
        "GroupQueryAttention",
        attention,
        [qkv, "", "", *past, *mask, "cos_cache", "sin_cache"],
        [f"{attention}/output_0", f"present.{i}.key", f"present.{i}.value"],
        MICROSOFT,
        num_heads=c.query_heads,
        kv_num_heads=c.kv_heads,
        scale=c.head_size**-0.5,
        softcap=0.0,
        do_rotary=1,
        rotary_interleaved=0,
    )
    out = w.initializer(f"{prefix}.o_proj.MatMul.weight", weights["attn.o_proj.weight"].T)
    return w.hidden("MatMul", f"{base}/o_proj/MatMul", [y, out], c.hidden_size)


def write_mlp(w: GraphWriter, i: int, x: str, weights: dict, c: Config) -> str:
    """SwiGLU with separate gate and up projections."""
    base, prefix = f"/model/layers.{i}/mlp", f"model.layers.{i}.mlp"
    width = c.intermediate_size
    gate_weight, up_weight = weights["mlp.gate_up_proj.weight"].chunk(2)
    gate_name = w.initializer(f"{prefix}.gate_proj.MatMul.weight", gate_weight.T)
    gate = w.hidden("MatMul", f"{base}/gate_proj/MatMul", [x, gate_name], width)
    up_name = w.initializer(f"{prefix}.up_proj.MatMul.weight", up_weight.T)
    up = w.hidden("MatMul", f"{base}/up_proj/MatMul", [x, up_name], width)
    sigmoid = w.hidden("Sigmoid", f"{base}/act_fn/Sigmoid", [gate], width)
    silu = w.hidden("Mul", f"{base}/act_fn/Mul", [gate, sigmoid], width)
    product = w.hidden("Mul", f"{base}/Mul", [silu, up], width)
    down = w.initializer(f"{prefix}.down_proj.MatMul.weight", weights["mlp.down_proj.weight"].T)
    return w.hidden("MatMul", f"{base}/down_proj/MatMul", [product, down], c.hidden_size)


def build_model(c: Config, state: dict[str, torch.Tensor]) -> tuple[onnx.ModelProto, bytes]:
    """Returns (graph without weights, bytes of the data file) for the state of a StoryModel."""
    w = GraphWriter()
    mask = write_mask(w)
    embedding = w.initializer("model.embed_tokens.weight", state["embed_tokens.weight"])
    residual = w.hidden("Gather", "/model/embed_tokens/Gather", [embedding, "input_ids"], c.hidden_size)
    branch = ""
    for i in range(c.layers):
        prefix = f"layers.{i}."
        weights = {name.removeprefix(prefix): t for name, t in state.items() if name.startswith(prefix)}
        base = f"/model/layers.{i}/input_layernorm"
        norm = weights["input_layernorm.weight"]
        if i == 0:
            scale = w.initializer("model.layers.0.input_layernorm.weight", norm)
            x = w.hidden(
                "SimplifiedLayerNormalization",
                f"{base}/LayerNorm",
                [residual, scale],
                c.hidden_size,
                f"{base}/output_0",
                axis=-1,
                epsilon=c.norm_epsilon,
                stash_type=1,
            )
        else:
            x = write_skip_norm(w, base, residual, branch, norm, c, last=False)
            residual = f"{base}/output_3"
        branch = write_attention(w, i, x, weights, mask, c)
        base = f"/model/layers.{i}/post_attention_layernorm"
        x = write_skip_norm(w, base, residual, branch, weights["post_attention_layernorm.weight"], c, last=False)
        residual = f"{base}/output_3"
        branch = write_mlp(w, i, x, weights, c)
    base = f"/model/layers.{c.layers}/final_norm_layernorm"
    x = write_skip_norm(w, base, residual, branch, state["norm.weight"], c, last=True)
    head = w.node("Transpose", "/lm_head/Transpose", [embedding], ["/lm_head/Transpose/output_0"], perm=[1, 0])
    w.value(head, FLOAT, [c.hidden_size, c.vocab_size])
    w.node("MatMul", "/lm_head/MatMul", [x, head], ["logits"])

    def cache(kind: str, length: str) -> list[onnx.ValueInfoProto]:
        shape = ["batch_size", c.kv_heads, length, c.head_size]
        names = [f"{kind}.{i}.{part}" for i in range(c.layers) for part in ("key", "value")]
        return [helper.make_tensor_value_info(name, FLOAT, shape) for name in names]

    ids = helper.make_tensor_value_info("input_ids", INT64, ["batch_size", "sequence_length"])
    attention_mask = helper.make_tensor_value_info("attention_mask", INT64, ["batch_size", "total_sequence_length"])
    logits = helper.make_tensor_value_info("logits", FLOAT, ["batch_size", "sequence_length", c.vocab_size])
    inputs = [ids, attention_mask, *cache("past_key_values", "past_sequence_length")]
    outputs = [logits, *cache("present", "total_sequence_length")]
    graph = helper.make_graph(w.nodes, "main_graph", inputs, outputs, w.initializers, value_info=w.values)
    opsets = [helper.make_opsetid("", 14), helper.make_opsetid(MICROSOFT, 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=7, producer_name="export_onnx.py")
    return model, bytes(w.data)


def logits_difference(model_file: Path, model: StoryModel) -> tuple[float, float]:
    """Returns the largest difference from PyTorch's logits: (in one pass, token by token after a cached prompt)."""
    c = model.config
    session = onnxruntime.InferenceSession(model_file, providers=["CPUExecutionProvider"])
    ids = torch.randint(0, c.vocab_size, (2, 96), generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        expected = model(ids).numpy()
    empty = np.zeros((2, c.kv_heads, 0, c.head_size), dtype=np.float32)
    no_past = [empty] * (2 * c.layers)

    def run(start: int, end: int, past: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
        feeds = {"input_ids": ids[:, start:end].numpy(), "attention_mask": np.ones((2, end), dtype=np.int64)}
        names = [f"past_key_values.{i}.{part}" for i in range(c.layers) for part in ("key", "value")]
        logits, *present = session.run(None, {**feeds, **dict(zip(names, past, strict=True))})
        return logits, present

    whole, _present = run(0, ids.shape[1], no_past)
    part, past = run(0, 40, no_past)
    parts = [part]
    for position in range(40, ids.shape[1]):
        part, past = run(position, position + 1, past)
        parts.append(part)
    cached = np.concatenate(parts, axis=1)
    return float(np.abs(whole - expected).max()), float(np.abs(cached - expected).max())


def write_json(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="folder that train.py wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder of the exported model")
    args = parser.parse_args()

    saved = torch.load(args.run / "checkpoint.pt")
    config = Config(**saved["config"])
    torch_model = StoryModel(config).eval()
    torch_model.load_state_dict(saved["model"])
    graph, data = build_model(config, torch_model.state_dict())

    args.out.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer.from_file(str(args.run / "tokenizer.json"))
    tokenizer.save(str(args.out / "tokenizer.json"), pretty=False)
    end = tokenizer.token_to_id(END_OF_TEXT)
    (args.out / DATA_FILE).write_bytes(data)
    onnx.save(graph, args.out / "model.onnx")
    write_json(args.out / "genai_config.json", genai_config(config, end))
    write_json(args.out / "tokenizer_config.json", tokenizer_config(config, end))

    whole, cached = logits_difference(args.out / "model.onnx", torch_model)
    size = sum(file.stat().st_size for file in args.out.iterdir())
    print(f"step {saved['at']['step']}: {size} bytes; logits differ by {whole:.1e} in one pass, {cached:.1e} with cache")
    if max(whole, cached) > TOLERANCE:
        raise SystemExit(f"the exported graph is wrong: its logits differ by more than {TOLERANCE}")


if __name__ == "__main__":
    main()
