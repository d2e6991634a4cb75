// The structure as data: layers, the rooms in each module, what each may import, and where each library may be used.
// `.dependency-cruiser.mjs` makes rules of it, and `docs/architecture.md` shows it.

/** Modules under `src` by layer. A module may import lower layers and itself, and nothing beside it. */
export const LAYERS = [["shared"], ["protocol"], ["model", "route", "engine", "mesh"], ["inference", "tasks", "credit"], ["node"]];

/**
 * What the flows of layer 3 may see of the engine and of the mesh: the contract and the ports, never what implements
 * them.
 */
export const PORTS = ["^src/engine/contract\\.ts$", "^src/mesh/ports/"];

/**
 * What a room may import of its own module, beside itself: other rooms by name, files directly in the module's folder
 * by a
 * pattern. Files directly in a module's folder join its rooms, and are under no rule of rooms.
 * @type {Record<string, Record<string, readonly string[]>>}
 */
export const ROOMS = {
  model: {
    graph: [],
    cut: ["graph", "tiles/manifest.ts"],
    rows: ["graph"],
    tiles: [],
    text: [],
  },
  mesh: {
    ports: [],
    memory: ["ports"],
    rtc: ["ports", "framed-link.ts", "port-link.ts"],
    libp2p: ["ports", "framed-link.ts", "port-link.ts"],
    identity: [],
  },
  inference: {
    log: [],
    draft: [],
    requester: ["log", "generate-event.ts", "answer-progress.ts"],
    server: ["log"],
    audit: ["requester", "log"],
  },
  tasks: {
    sandbox: ["*.ts"],
    kinds: ["sandbox", "*.ts"],
    volunteer: ["*.ts"],
    dispatch: ["*.ts"],
    jobs: ["dispatch", "kinds", "sandbox", "*.ts"],
  },
  node: {
    spans: ["state.ts", "problem.ts"],
    models: ["spans", "platform/has-gpu-adapter.ts", "state.ts"],
    credit: ["platform/or-in-memory.ts"],
    tasks: ["credit", "spans/presence.ts", "platform/has-gpu-adapter.ts", "platform/or-in-memory.ts", "state.ts"],
    platform: ["spans", "tasks", "state.ts"],
  },
};

/** The page sees the node's face, the shapes of the relay's HTTP interface, and pure functions over plain data. */
export const UI_SEES = [
  "src/node/face.ts",
  "src/node/state.ts",
  "src/protocol/relay-api.ts",
  "src/route/plan-model.ts",
  "src/model/catalog.ts",
  "src/model/most-memory.ts",
  "src/tasks/kinds/find-kind.ts",
  "src/tasks/kinds/render/squares.ts",
  "src/tasks/kinds/render/scene.ts",
];

/**
 * What the relay imports of `src`, beside `shared` and `protocol`: the rules of credit, of a model its manifest and
 * summary, and prices of tasks.
 */
export const RELAY_SEES = [
  "src/model/model-summary.ts",
  "src/model/tiles/manifest.ts",
  "src/credit/ed25519.ts",
  "src/credit/make-receipt.ts",
  "src/credit/verify-receipt.ts",
  "src/credit/price.ts",
  "src/credit/storage-proof.ts",
  "src/tasks/kinds/find-kind.ts",
];

/** Libraries (a pattern over package names) and the only places that may import them. */
export const FENCES = [
  ["libp2p", "libp2p|@libp2p|helia|@helia|@chainsafe/libp2p-[^/]+|@multiformats/multiaddr", "^(src/mesh/|relay/streams/relay-node)"],
  ["onnxruntime", "onnxruntime-web", "^src/engine/"],
  ["comlink", "comlink", "^src/.*(client|worker)\\.ts$"],
  ["idb", "idb", "^src/.*store[^/]*\\.ts$"],
  ["valibot", "valibot", "^(src/(protocol|model|engine|mesh|tasks|credit|node|ui)/|src/widget-frame\\.ts$|relay/)"],
  ["fastify", "fastify|@fastify", "^relay/"],
  ["kysely", "kysely", "^relay/"],
  ["lit", "lit|@lit|lit-html|lit-element", "^src/ui/"],
  ["tokenizers", "@huggingface/tokenizers", "^src/model/text/"],
  ["jinja", "@huggingface/jinja", "^src/model/text/"],
  ["protobuf", "@bufbuild/protobuf", "^src/model/"],
];

/** The pattern of what a room may import: a room's folder, a file, or all files directly in the module's folder. */
export function pattern(/** @type {string} */ module, /** @type {string} */ allowed) {
  if (allowed === "*.ts") return `^src/${module}/[^/]+\\.ts$`;
  return `^src/${module}/${allowed.endsWith(".ts") ? `${allowed.replaceAll(".", "\\.")}$` : `${allowed}/`}`;
}
