// SHA-256 by the platform: every byte of a model passes this check.
import { bytesEqual } from "../../shared/bytes.ts";

/** 32 bytes. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

/** Whether `bytes` have the SHA-256 `expected`. */
export async function hasSha256(bytes: Uint8Array<ArrayBuffer>, expected: Uint8Array): Promise<boolean> {
  return bytesEqual(await sha256(bytes), expected);
}
