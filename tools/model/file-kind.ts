// Recognises by its first bytes a file that was given as an ONNX model but is something else.

/** Bytes that are needed to recognise a file. */
export const KIND_BYTES = 64;

/** Returns what the file is and what to do about it; undefined if it may be ONNX. */
export function foreignKind(head: Uint8Array): string | undefined {
  const text = new TextDecoder("latin1").decode(head);
  const at8 = text.slice(8, 9);
  if (head.byteLength === 0) return "is empty. Fetch it again";
  if (text.startsWith("version https://git-lfs"))
    return "is a pointer of Git LFS, not the model itself. Run `git lfs pull` in that folder, or give the hub's id instead of the folder";
  if (text.startsWith("GGUF")) return "is a GGUF file, which only llama.cpp and its relatives read. Take an ONNX export of the same model";
  if (text.startsWith("PK")) return "is a PyTorch checkpoint or another zip archive. Export it to ONNX first";
  if (at8 === "{" && /^.{8}\{\s*"/s.test(text)) return "is a safetensors file. Export the model to ONNX first";
  if (/^\s*<(?:!doctype|html|\?xml)/i.test(text))
    return "is a web page. Give the address of the file itself, on the hub with /resolve/ in it";
  if (/^\s*[{[]\s*["{[\]}]/.test(text)) return "is a JSON file. Give the .onnx file";
  if (text.startsWith("ORTM", 4))
    return "is in ONNX Runtime's own .ort format, which cannot be cut. Take the .onnx file that it was made from";
  return undefined;
}
