// The relay's identity: its key is kept in a file, so that its peer id survives a restart.
import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ManyhandsError } from "../src/shared/errors.ts";

const SEED_BYTES = 32;

/**
 * Returns the seed of the relay's Ed25519 key in `dataDir`. Makes it on first use. Throws BAD_INPUT if the file is
 * damaged.
 */
export async function loadRelaySeed(dataDir: string): Promise<Uint8Array> {
  const path = join(dataDir, "relay.key");
  await mkdir(dataDir, { recursive: true });
  try {
    const fresh = randomBytes(SEED_BYTES).toString("hex");
    await writeFile(path, `${fresh}\n`, { flag: "wx", mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  const text = (await readFile(path, "utf8")).trim();
  if (!/^[0-9a-f]{64}$/.test(text)) {
    throw new ManyhandsError("BAD_INPUT", `${path} does not hold a key (64 hex digits). Remove it to get a new key and a new peer id.`);
  }
  return new Uint8Array(Buffer.from(text, "hex"));
}
