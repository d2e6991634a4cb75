// Runs a relay as a process of its own, which a soak can kill without a warning and start again with the same data.
import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";

const ROOT = path.resolve(import.meta.dirname, "../../..");

export interface RelayProcess {
  /** Multiaddr with the relay's id; rejects if the process ends before it listens. */
  readonly address: Promise<string>;
  /** Resolves once the process is gone. */
  kill(signal: "SIGKILL" | "SIGTERM"): Promise<void>;
}

export function spawnRelay(args: readonly string[]): RelayProcess {
  const child: ChildProcess = spawn(process.execPath, ["relay/main.ts", "--port", "0", ...args], { cwd: ROOT });
  const gone = new Promise<void>((resolve) => {
    child.once("close", () => resolve());
  });
  const address = listening(child).then(async (url) => {
    const reply = (await (await fetch(new URL("/api/bootstrap", url))).json()) as { readonly peerId: string }; // from our own relay
    return `/ip4/127.0.0.1/tcp/${new URL(url).port}/ws/p2p/${reply.peerId}`;
  });
  address.catch(() => undefined); // a caller that awaits it sees the failure
  return {
    address,
    kill: (signal) => {
      child.kill(signal);
      return gone;
    },
  };
}

function listening(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = "";
    const collect = (chunk: Buffer): void => {
      output += chunk.toString();
      const url = /http:\/\/\S+/.exec(output)?.[0];
      if (url !== undefined && output.includes("Ctrl+C")) resolve(url);
    };
    child.stdout?.on("data", collect);
    child.stderr?.on("data", collect);
    child.once("close", () => reject(new Error(`the relay ended: ${output}`)));
  });
}
