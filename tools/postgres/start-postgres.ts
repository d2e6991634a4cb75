// Starts a PostgreSQL of its own for tests and soaks: in a temporary folder, on a Unix socket, removed when it stops.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { access, chown, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

const DEFAULTS = Object.freeze({
  /** Milliseconds for the package manager, if PostgreSQL is missing and this user may install it. */
  installMs: 180_000,
  /** Milliseconds until the server accepts connections, and between two tries. */
  startMs: 30_000,
  tryMs: 100,
  /** Debian's folder of installed versions. */
  versions: "/usr/lib/postgresql",
  /** PostgreSQL refuses to run as root. Every Debian has this user, and not every Debian has a user for PostgreSQL. */
  user: "nobody",
});

export interface Postgres {
  /** Makes an empty database of this name. Resolves with its connection string. */
  database(name: string): Promise<string>;
  /** Kills the server and removes its folder. Idempotent. */
  stop(): Promise<void>;
}

export type PostgresStart = { readonly kind: "running"; readonly postgres: Postgres } | { readonly kind: "missing"; readonly why: string };

/**
 * Starts a server; if it is `durable`, its commits reach the disk. Installs Debian's package if there is no PostgreSQL
 * and this user is root. If no server can be started, the result is `missing` and says why.
 */
export async function startPostgres({ durable }: { readonly durable: boolean }): Promise<PostgresStart> {
  try {
    const bin = (await findBin()) ?? (await install());
    return { kind: "running", postgres: await start(bin, durable) };
  } catch (error) {
    return { kind: "missing", why: error instanceof Error ? (error.message.split("\n")[0] ?? error.message) : String(error) };
  }
}

async function findBin(): Promise<string | undefined> {
  const versions = await readdir(DEFAULTS.versions).catch(() => []); // not Debian, or not installed
  const debian = versions.toSorted((a, b) => Number(b) - Number(a)).map((version) => path.join(DEFAULTS.versions, version, "bin"));
  for (const folder of [...debian, ...(process.env["PATH"] ?? "").split(path.delimiter)]) {
    const found = await access(path.join(folder, "initdb")).then(
      () => true,
      () => false,
    );
    if (found) return folder;
  }
  return undefined;
}

async function install(): Promise<string> {
  if (process.getuid?.() !== 0) throw new Error("PostgreSQL is not installed, and only root may install it");
  const options = { timeout: DEFAULTS.installMs, env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } };
  await run("apt-get", ["install", "-y", "--no-install-recommends", "postgresql"], options);
  const bin = await findBin();
  if (bin === undefined) throw new Error("Debian's package postgresql brought no initdb");
  return bin;
}

async function start(bin: string, durable: boolean): Promise<Postgres> {
  const folder = await mkdtemp(path.join(tmpdir(), "manyhands-pg-"));
  const as = await unprivileged();
  if (as !== undefined) await chown(folder, as.uid, as.gid);
  const data = path.join(folder, "data");
  let server: ChildProcess | undefined;
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopping ??= halt(server, folder));
  try {
    await run(path.join(bin, "initdb"), ["-D", data, "-U", "manyhands", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"], {
      ...as,
      cwd: folder,
    });
    const log: string[] = [];
    // No port on the network.
    const options = ["-c", "listen_addresses=", "-c", `fsync=${durable ? "on" : "off"}`];
    server = spawn(path.join(bin, "postgres"), ["-D", data, "-k", folder, ...options], { ...as, cwd: folder });
    server.stderr?.on("data", (chunk: Buffer) => log.push(chunk.toString()));
    const psql = (sql: string) =>
      run(path.join(bin, "psql"), ["-h", folder, "-U", "manyhands", "-d", "postgres", "-qc", sql], { cwd: folder });
    for (const untilMs = performance.now() + DEFAULTS.startMs; ;) {
      try {
        await psql("select 1");
        break;
      } catch {
        if (server.exitCode !== null || performance.now() > untilMs) throw new Error(`PostgreSQL does not start: ${log.join("")}`);
        await new Promise((resolve) => setTimeout(resolve, DEFAULTS.tryMs));
      }
    }
    return {
      database: async (name) => {
        await psql(`create database "${name}"`);
        return `postgresql://manyhands@localhost/${encodeURIComponent(name)}?host=${encodeURIComponent(folder)}`;
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Resolves with the user to run the server as; undefined means this user, unless this user is root. */
async function unprivileged(): Promise<{ readonly uid: number; readonly gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const id = async (flag: string): Promise<number> => Number((await run("id", [flag, DEFAULTS.user])).stdout);
  return { uid: await id("-u"), gid: await id("-g") };
}

async function halt(server: ChildProcess | undefined, folder: string): Promise<void> {
  if (server !== undefined && server.exitCode === null && server.signalCode === null) {
    const gone = new Promise((resolve) => server.once("exit", resolve));
    server.kill("SIGQUIT"); // at once, without a last checkpoint: its files are removed anyway
    await gone;
  }
  await rm(folder, { recursive: true, force: true });
}
