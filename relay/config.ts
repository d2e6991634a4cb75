// The relay's configuration: what an operator may set by flag or environment, checked once. No other file of the relay
// reads the environment.
import { parseArgs } from "node:util";
import * as v from "valibot";
import { RELAY_API_LIMITS } from "../src/protocol/relay-api.ts";
import { LIMITS } from "../src/protocol/version.ts";
import { ManyhandsError } from "../src/shared/errors.ts";
import { isPostgres } from "./ledger/ledger-location.ts";

export const CONFIG_DEFAULTS = Object.freeze({
  /** TCP port. If it is taken, the relay listens on the next free one. */
  port: 8787,
  /** This machine only. To open a relay to a network is the operator's decision. */
  host: "127.0.0.1",
  name: "a Manyhands relay",
  /** The built page. */
  site: "dist",
  /** The relay's key is here, and its ledger unless `ledger` names another place. */
  data: ".manyhands",
  /** Name of the ledger's file in the data folder. */
  ledgerFile: "ledger.sqlite",
});

const directory = v.pipe(v.string(), v.minLength(1, "wants a folder"));

const RelayConfig = v.object({
  port: v.pipe(v.number(), v.integer("wants a whole number"), v.minValue(0, "wants 0 to 65535"), v.maxValue(65_535, "wants 0 to 65535")),
  host: v.pipe(v.string(), v.minLength(1, "wants an address")),
  name: v.pipe(v.string(), v.minLength(1, "wants a name"), v.maxLength(LIMITS.nameLength, `wants at most ${LIMITS.nameLength} characters`)),
  /** `stun:` or `turn:` URLs for tabs. */
  stun: v.pipe(
    v.array(
      v.pipe(
        v.string(),
        v.regex(/^(stun|stuns|turn|turns):\S+$/, "wants a stun: or turn: URL"),
        v.maxLength(RELAY_API_LIMITS.placeLength, `wants URLs of at most ${RELAY_API_LIMITS.placeLength} characters`),
      ),
    ),
    v.maxLength(RELAY_API_LIMITS.iceServers, `wants at most ${RELAY_API_LIMITS.iceServers} servers`),
  ),
  site: directory,
  /** Model folders, or folders of model folders. The relay serves them in addition to the page's own. */
  models: v.array(directory),
  data: directory,
  /** The ledger: a SQLite file, or PostgreSQL's connection string. */
  ledger: v.optional(
    v.pipe(
      v.string(),
      v.minLength(1, "wants a file or postgres://…"),
      v.check((text) => !text.includes("://") || isPostgres(text), "wants a file or postgres://…"),
    ),
  ),
  verbose: v.boolean(),
});
export type RelayConfig = Readonly<v.InferOutput<typeof RelayConfig>>;

const FLAGS = {
  port: { type: "string" },
  host: { type: "string" },
  name: { type: "string" },
  stun: { type: "string", multiple: true },
  site: { type: "string" },
  models: { type: "string", multiple: true },
  data: { type: "string" },
  ledger: { type: "string" },
  verbose: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

export const HELP = `manyhands relay: signals between tabs, lists who holds what, serves the page

  --port N          port to listen on; the next free one if taken (default ${CONFIG_DEFAULTS.port}; 0 picks any)
  --host ADDRESS    address to listen on (default ${CONFIG_DEFAULTS.host}; 0.0.0.0 for every network of this machine)
  --name TEXT       what this relay is called in the page
  --stun URL        STUN or TURN server for tabs behind different routers (repeatable; default none)
  --site DIR        the built page (default ${CONFIG_DEFAULTS.site})
  --models DIR      a model folder, or a folder of them, served under /models/<folder>/ (repeatable)
  --data DIR        where the relay keeps its key and its ledger (default ${CONFIG_DEFAULTS.data})
  --ledger PLACE    who earned and spent what: a SQLite file (default <data>/${CONFIG_DEFAULTS.ledgerFile}), or postgres://…,
                    which several relays may share
  --verbose         log every request and peer
  --help            this text

Each option can also come from the environment: MANYHANDS_PORT, MANYHANDS_HOST, …; lists are separated by commas.
A flag wins over the environment.
`;

/** What the command line says to do. */
export type Command = { readonly kind: "help" } | { readonly kind: "run"; readonly config: RelayConfig };

/** Reads flags and environment. Throws BAD_INPUT, with a message that says which option to change and how. */
export function readCommand(args: readonly string[], env: Readonly<Record<string, string | undefined>>): Command {
  const { values } = parse(args);
  if (values.help === true) return { kind: "help" };
  const text = (name: "port" | "host" | "name" | "site" | "data" | "ledger"): string | undefined => values[name] ?? env[variable(name)];
  const list = (name: "stun" | "models"): string[] => values[name] ?? (env[variable(name)] ?? "").split(",").filter((item) => item !== "");
  const port = text("port");
  return {
    kind: "run",
    config: checkConfig({
      port: port === undefined ? undefined : /^\d+$/.test(port) ? Number(port) : Number.NaN,
      host: text("host"),
      name: text("name"),
      stun: list("stun"),
      site: text("site"),
      models: list("models"),
      data: text("data"),
      ledger: text("ledger"),
      verbose: values.verbose ?? ["1", "true", "yes"].includes(env[variable("verbose")] ?? ""),
    }),
  };
}

/** Fills in defaults, and checks all options. Throws BAD_INPUT. */
export function checkConfig(options: { readonly [Name in keyof RelayConfig]?: RelayConfig[Name] | undefined }): RelayConfig {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const result = v.safeParse(RelayConfig, { ...CONFIG_DEFAULTS, stun: [], models: [], verbose: false, ...given });
  if (result.success) return result.output;
  const issue = result.issues[0];
  const key = issue.path?.[0]?.key;
  const name = typeof key === "string" ? key : "option";
  throw new ManyhandsError(
    "BAD_INPUT",
    `--${name} ${Number.isNaN(issue.input) ? "wants a number" : issue.message} (or ${variable(name)}); see --help`,
  );
}

const variable = (name: string): string => `MANYHANDS_${name.toUpperCase()}`;

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: FLAGS, strict: true, allowPositionals: false });
  } catch (cause) {
    const message = cause instanceof Error ? (cause.message.split(". ")[0] ?? cause.message) : String(cause);
    throw new ManyhandsError("BAD_INPUT", `${message}; see --help`, { cause });
  }
}
