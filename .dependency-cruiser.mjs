// Who may import whom. The layers and rooms are in tools/check/rooms.mjs; a breach fails `npm run check`.
import { FENCES, LAYERS, pattern, PORTS, RELAY_SEES, ROOMS, UI_SEES } from "./tools/check/rooms.mjs";

/** @param {readonly string[]} files */
const exactly = (files) => files.map((file) => `^${file.replaceAll(".", "\\.")}$`);

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
      { path: `^src/${module}/`, pathNot: [room, ...allowed].map((each) => pattern(module, each)) },
    ),
  ),
);

export default {
  forbidden: [
    ...layerRules,
    ...roomRules,
    forbid(
      "ui-sees-the-face",
      "src/ui sees the node's public face and pure functions over plain data, nothing behind them",
      { path: "^src/ui/" },
      { path: "^(src|relay|tools|test)/", pathNot: ["^src/ui/", "^src/shared/", ...exactly(UI_SEES)] },
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
      { path: "^src/(engine|mesh)/", pathNot: PORTS },
    ),
    forbid(
      "entries-import-nobody-imports-them",
      "entries are the top",
      { path: "^(src|relay)/" },
      { path: "^(src/[^/]+\\.ts|relay/main\\.ts)$" },
    ),
    forbid(
      "relay-imports-little",
      "the relay imports shared and protocol, the rules of credit, of a model its manifest and its summary, and what kinds of tasks cost",
      { path: "^relay/" },
      {
        path: "^(src|tools|test)/",
        pathNot: ["^src/(shared|protocol)/", ...exactly(RELAY_SEES)],
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
