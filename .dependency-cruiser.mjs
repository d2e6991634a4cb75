// Who may import whom. The layers are those of CONTRIBUTING.md; a breach fails `npm run check`.

/** Top-level modules under src by layer: a module may import lower layers and itself, nothing else. */
const LAYERS = [["shared"], ["protocol"], ["model", "route", "engine", "mesh"], ["inference", "tasks", "credit"], ["node"]];

/** Ways sideways or down to the edge that a module may take although the layer rule alone would forbid or hide it. */
const ENGINE_FACE = "^src/engine/contract\\.ts$";
const MESH_FACE = "^src/mesh/ports/";

/**
 * What a room inside a module may import of the same module, beside itself. Files that stand directly in the module's folder are
 * under no rule here: they join the rooms. Rooms that are not listed may import any other that does not import them.
 */
const ROOMS = {
  inference: {
    requester: ["log", "(generate-event|answer-progress)\\.ts$"],
    server: ["log"],
    log: [],
    audit: ["requester", "log"],
    draft: [],
  },
  tasks: {
    jobs: ["dispatch", "kinds", "sandbox", "[^/]+\\.ts$"],
    dispatch: ["[^/]+\\.ts$"],
    volunteer: ["[^/]+\\.ts$"],
    sandbox: ["[^/]+\\.ts$"],
    kinds: ["sandbox", "[^/]+\\.ts$"],
  },
  model: {
    graph: [],
    cut: ["graph", "tiles/manifest\\.ts$"],
    rows: ["graph"],
    tiles: [],
    text: [],
  },
  mesh: {
    ports: [],
    memory: ["ports"],
    rtc: ["ports", "(framed-link|port-link)\\.ts$"],
    libp2p: ["ports", "(framed-link|port-link)\\.ts$"],
    identity: [],
  },
  node: {
    spans: ["(state|problem)\\.ts$"],
    models: ["spans", "platform/has-gpu-adapter\\.ts$", "(state|relay-api)\\.ts$"],
    credit: ["platform/or-in-memory\\.ts$"],
    tasks: ["credit", "spans/presence\\.ts$", "platform/(has-gpu-adapter|or-in-memory)\\.ts$", "state\\.ts$"],
    platform: ["spans", "tasks", "state\\.ts$"],
  },
};

/** The pure functions over plain data that the page may use beside the node's face. */
const UI_DATA = [
  "^src/node/(face|state)\\.ts$",
  "^src/protocol/relay-api\\.ts$",
  "^src/route/plan-model\\.ts$",
  "^src/model/(catalog|most-memory)\\.ts$",
  "^src/tasks/kinds/render/(squares|scene)\\.ts$",
];

/** @param {string} name @param {string} comment @param {object} from @param {object} to */
const forbid = (name, comment, from, to) => ({ name, comment, severity: "error", from, to });

/** Matches a package however it was resolved. @param {string} names alternatives, as a regular expression */
const packages = (names) => `(^|node_modules/)(${names})(/|$)`;

const layerRules = LAYERS.flatMap((modules, level) =>
  modules.map((name) => {
    const allowed = [...LAYERS.slice(0, level).flat(), name].map((module) => `^src/${module}/`);
    return forbid(
      `layer-${name}`,
      `src/${name} may import ${[...LAYERS.slice(0, level).flat(), "itself"].join(", ")} and no other folder of this project`,
      { path: `^src/${name}/` },
      { path: "^(src|relay|tools|test)/", pathNot: allowed },
    );
  }),
);

const roomRules = Object.entries(ROOMS).flatMap(([module, rooms]) =>
  Object.entries(rooms).map(([room, allowed]) =>
    forbid(
      `room-${module}-${room}`,
      `src/${module}/${room} may import of src/${module}: ${["itself", ...allowed].join(", ")}`,
      { path: `^src/${module}/${room}/` },
      { path: `^src/${module}/`, pathNot: [room, ...allowed].map((each) => `^src/${module}/${each.endsWith("$") ? each : `${each}/`}`) },
    ),
  ),
);

/** Libraries and the only places that may import them. */
const FENCES = [
  ["libp2p", "libp2p|@libp2p|helia|@helia|@chainsafe/libp2p-[^/]+|@multiformats/multiaddr", "^(src/mesh/|relay/streams/relay-node)"],
  ["onnxruntime", "onnxruntime-web", "^src/engine/"],
  ["comlink", "comlink", "^src/.*(client|worker)\\.ts$"],
  ["idb", "idb", "^src/.*store[^/]*\\.ts$"],
  ["valibot", "valibot", "^(src/(protocol|model|engine|mesh|tasks|credit|node|ui)/|src/widget-frame\\.ts$|relay/)"],
  ["fastify", "fastify|@fastify", "^relay/"],
  ["kysely", "kysely", "^relay/"],
  ["lit", "lit|@lit|lit-html|lit-element", "^src/ui/"],
  ["tokenizers", "@huggingface/tokenizers", "^src/model/"],
  ["jinja", "@huggingface/jinja", "^src/model/"],
  ["protobuf", "@bufbuild/protobuf", "^src/model/"],
];

export default {
  forbidden: [
    ...layerRules,
    ...roomRules,
    forbid(
      "ui-sees-the-face",
      "src/ui sees the node's public face and pure functions over plain data, nothing behind them",
      { path: "^src/ui/" },
      { path: "^(src|relay|tools|test)/", pathNot: ["^src/ui/", "^src/shared/", ...UI_DATA] },
    ),
    forbid(
      "face-has-no-values",
      "the face is types alone: what it names is not loaded with it",
      { path: "^src/node/face\\.ts$" },
      { dependencyTypesNot: ["type-only"] },
    ),
    forbid(
      "api-makes-nodes",
      "src/api makes a node for programs: of this project it sees src/node and src/shared",
      { path: "^src/api/" },
      { path: "^(src|relay|tools|test)/", pathNot: "^src/(api|node|shared)/" },
    ),
    forbid(
      "ports-not-adapters",
      "only entries and src/node choose implementations: the flows see the engine's contract and the mesh's ports",
      { path: "^src/(inference|tasks|credit)/" },
      { path: "^src/(engine|mesh)/", pathNot: [ENGINE_FACE, MESH_FACE] },
    ),
    forbid(
      "entries-import-nobody-imports-them",
      "entries are the top",
      { path: "^(src|relay)/" },
      { path: "^(src/[^/]+\\.ts|relay/main\\.ts)$" },
    ),
    forbid(
      "relay-imports-little",
      "the relay imports shared and protocol, the rules of credit, and of a model its manifest and its summary",
      { path: "^relay/" },
      {
        path: "^(src|tools|test)/",
        pathNot:
          "^src/((shared|protocol)/|model/(model-summary|tiles/manifest)\\.ts$|credit/(ed25519|make-receipt|verify-receipt|price|storage-proof)\\.ts$)",
      },
    ),
    forbid("src-stands-alone", "the page's code imports no relay, tool or test", { path: "^src/" }, { path: "^(relay|tools|test)/" }),
    forbid("no-node-in-the-page", "the page's code runs in browsers", { path: "^src/" }, { dependencyTypes: ["core"] }),
    forbid(
      "shared-imports-nothing",
      "src/shared imports nothing, no package either",
      { path: "^src/shared/" },
      { pathNot: "^src/shared/" },
    ),
    forbid("route-is-pure", "planners import no package", { path: "^src/route/" }, { dependencyTypes: ["npm", "core"] }),
    ...FENCES.map(([name, names, where]) =>
      forbid(`fence-${name}`, `imported only from ${where}`, { path: "^(src|relay)/", pathNot: where }, { path: packages(names) }),
    ),
    forbid("no-circular", "a circle has no order to read it in", {}, { circular: true }),
    forbid("no-unresolvable", "an import that leads nowhere", {}, { couldNotResolve: true, pathNot: "^(virtual:|\\?)" }),
    forbid(
      "no-undeclared-package",
      "a package that package.json does not name works by luck",
      { path: "^(src|relay)/" },
      { dependencyTypes: ["npm-no-pkg", "npm-unknown", "npm-dev"] },
    ),
    forbid(
      "no-orphans",
      "a file that imports nothing and that nothing imports",
      { orphan: true, pathNot: ["\\.d\\.ts$", "\\.config\\.ts$", "^(test|tools)/"] },
      {},
    ),
  ],
  options: {
    parser: "swc",
    tsPreCompilationDeps: true,
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^(dist|\\.cache|reports)/" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "browser", "node", "default", "types"],
      extensions: [".ts", ".mjs", ".js", ".json", ".d.ts"],
    },
  },
};
