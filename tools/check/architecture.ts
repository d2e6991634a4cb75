// The table of rooms in docs/architecture.md, made from the rules that the layers check enforces and from each room's
// README.
// `node tools/check/architecture.ts --write` writes it; the check fails while the document shows another one.
import fs from "node:fs";
import path from "node:path";
import type { CheckContext, Outcome } from "./check.ts";
import { LAYERS, RELAY_SEES, ROOMS, UI_SEES } from "./rooms.mjs";

const DOCUMENT = "docs/architecture.md";
const BEGIN = "<!-- rooms: made by `node tools/check/architecture.ts --write` -->";
const END = "<!-- rooms: end -->";

interface Row {
  readonly room: string;
  readonly imports: string;
}

function rowsOf(root: string): readonly Row[] {
  const modules = LAYERS.flatMap((names, level) =>
    names.flatMap((name): Row[] => {
      const below = LAYERS.slice(0, level).flat();
      const own = { room: `src/${name}`, imports: below.length === 0 ? "nothing" : below.map((each) => `\`${each}\``).join(" ") };
      const rooms = Object.entries(ROOMS[name] ?? {}).map(([room, allowed]) => ({
        room: `src/${name}/${room}`,
        imports: allowed.length === 0 ? "lower layers alone" : allowed.map((each) => `\`${each}\``).join(" "),
      }));
      return [own, ...rooms];
    }),
  );
  const list = (files: readonly string[]): string => files.map((file) => `\`${file.replace("src/", "")}\``).join(" ");
  const foldersOf = (parent: string): readonly string[] =>
    fs
      .readdirSync(path.join(root, parent), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => `${parent}/${name}`);
  return [
    ...modules,
    { room: "src/ui", imports: `\`shared\` ${list(UI_SEES)}` },
    ...foldersOf("src/ui").map((room) => ({ room, imports: "as `src/ui`" })),
    { room: "src/api", imports: "`node` `shared`" },
    { room: "relay", imports: `\`shared\` \`protocol\` ${list(RELAY_SEES)}` },
    ...foldersOf("relay").map((room) => ({ room, imports: "as `relay`" })),
  ];
}

/** The first sentence of a room's README, or of its only file. */
function aboutOf(root: string, room: string): string {
  const readme = path.join(root, room, "README.md");
  if (!fs.existsSync(readme)) {
    const [file, ...others] = fs.readdirSync(path.join(root, room)).filter((name) => name.endsWith(".ts"));
    if (file === undefined || others.length > 0) throw new Error(`${room} has no README.md that says what lives there`);
    return (fs.readFileSync(path.join(root, room, file), "utf8").split("\n")[0] ?? "").replace(/^\/\/ /, "");
  }
  const body = fs
    .readFileSync(readme, "utf8")
    .replace(/^# .*\n/, "")
    .trim()
    .replaceAll("\n", " ");
  return /^.*?\.(?=\s|$)/.exec(body)?.[0] ?? body;
}

/** The table as Markdown. Throws if a room does not say what lives in it. */
export function roomsTable(root: string): string {
  const rows = rowsOf(root).map(({ room, imports }) => `| \`${room}\` | ${aboutOf(root, room)} | ${imports} |`);
  return ["| room | what lives there | may import, beside itself |", "|---|---|---|", ...rows].join("\n");
}

function withTable(text: string, table: string): string {
  const [before, rest] = text.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) throw new Error(`${DOCUMENT} has lost the marks round its table of rooms`);
  return `${before}${BEGIN}\n\n${table}\n\n${END}${after}`;
}

export async function architecture({ root }: CheckContext): Promise<Outcome> {
  const text = fs.readFileSync(path.join(root, DOCUMENT), "utf8");
  const gone = [...text.matchAll(/`((?:src|relay)\/[\w./-]+\.ts)`/g)]
    .map(([, file = ""]) => file)
    .filter((file) => !fs.existsSync(path.join(root, file)));
  let isCurrent: boolean;
  try {
    isCurrent = withTable(text, roomsTable(root)) === text;
  } catch (error) {
    return { passed: false, output: error instanceof Error ? error.message : String(error) };
  }
  const faults = [
    ...gone.map((file) => `${DOCUMENT} names ${file}, which is not there`),
    ...(isCurrent ? [] : [`the table of rooms in ${DOCUMENT} is not that of the rules: run node tools/check/architecture.ts --write`]),
  ];
  return { passed: faults.length === 0, output: faults.join("\n") };
}

if (process.argv[1] === import.meta.filename && process.argv.includes("--write")) {
  const root = path.resolve(import.meta.dirname, "../..");
  const file = path.join(root, DOCUMENT);
  fs.writeFileSync(file, withTable(fs.readFileSync(file, "utf8"), roomsTable(root)));
}
