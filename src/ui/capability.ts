// Finds out what this browser lacks before anything is loaded, in the words that the page shows.
import type { Capability } from "../node/face.ts";

type Missing = Capability["missing"][number];

/** The part of a window that is examined. */
export interface BrowserFeatures {
  readonly RTCPeerConnection?: { readonly prototype: object } | undefined;
  readonly RTCDataChannel?: unknown;
  readonly WebAssembly?: { validate(bytes: Uint8Array<ArrayBuffer>): boolean } | undefined;
  readonly Worker?: unknown;
  readonly crypto?: { readonly subtle?: unknown } | undefined;
  /** Opens and closes a database of `name`; rejects where the browser forbids it. */
  openDatabase(name: string): Promise<void>;
}

/**
 * The smallest module that uses 128-bit vectors, which every build of the runtime needs: one function, `v128.const 0`.
 */
const VECTOR_MODULE = [
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00], // magic, version
  ...[0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b], // type: () -> v128
  ...[0x03, 0x02, 0x01, 0x00], // one function of that type
  ...[0x0a, 0x16, 0x01, 0x14, 0x00, 0xfd, 0x0c, ...new Array<number>(16).fill(0), 0x0b], // its body
] as const;

/** Milliseconds after which a browser that has not opened a database counts as one that forbids it. */
const DATABASE_TIMEOUT_MS = 3000;

const MISSING = {
  secureContext: {
    name: "A secure connection",
    why: "Browsers give a page keys and checksums only over https or on this very machine; without them peers could not know who they talk to.",
    whatToDo: "Open this page over https, or as http://localhost when the relay runs on this machine.",
    blocks: "everything",
  },
  webrtc: {
    name: "WebRTC data channels",
    why: "They carry a prompt's numbers from tab to tab.",
    whatToDo:
      "Allow WebRTC (a privacy add-on or a policy may have switched it off), or open this page in a current Firefox, Chrome, Edge or Safari.",
    blocks: "everything",
  },
  wasm: {
    name: "WebAssembly with SIMD",
    why: "The layers of the model are computed with it.",
    whatToDo: "Update this browser. Where WebAssembly is switched off (a lockdown mode, a policy), allow it for this site.",
    blocks: "everything",
  },
  worker: {
    name: "Web workers",
    why: "The computing happens beside the page, so that the page stays smooth and the work can be stopped at once.",
    whatToDo: "Open this page in a current Firefox, Chrome, Edge or Safari.",
    blocks: "everything",
  },
  storage: {
    name: "Storage (IndexedDB)",
    why: "Without it this tab keeps neither its key nor the weights that it fetched.",
    whatToDo: "Everything else works. To avoid fetching the weights again on each visit, leave private browsing or allow site data here.",
    blocks: "nothing",
  },
} as const satisfies Record<string, Missing>;

async function canOpen(features: BrowserFeatures): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    await Promise.race([
      features.openDatabase("manyhands-probe"),
      new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error("no reply")), DATABASE_TIMEOUT_MS);
      }),
    ]);
    return true;
  } catch {
    return false; // forbidden, or no reply
  } finally {
    clearTimeout(timer);
  }
}

/** Returns the missing features, in the order in which a person should mend them. */
export async function findCapability(features: BrowserFeatures): Promise<Capability> {
  const missing: Missing[] = [];
  if (features.crypto?.subtle === undefined) missing.push(MISSING.secureContext);
  const connection = features.RTCPeerConnection;
  if (connection === undefined || features.RTCDataChannel === undefined || !("createDataChannel" in connection.prototype))
    missing.push(MISSING.webrtc);
  if (features.WebAssembly?.validate(new Uint8Array(VECTOR_MODULE)) !== true) missing.push(MISSING.wasm);
  if (features.Worker === undefined) missing.push(MISSING.worker);
  if (!(await canOpen(features))) missing.push(MISSING.storage);
  return { missing };
}

/** Returns the features of the real browser. */
export function browserFeatures(scope: typeof globalThis): BrowserFeatures {
  return {
    RTCPeerConnection: scope.RTCPeerConnection,
    RTCDataChannel: scope.RTCDataChannel,
    WebAssembly: scope.WebAssembly,
    Worker: scope.Worker,
    crypto: scope.crypto,
    openDatabase: (name) =>
      new Promise((resolve, reject) => {
        const request = scope.indexedDB.open(name, 1);
        request.onsuccess = () => {
          request.result.close();
          scope.indexedDB.deleteDatabase(name);
          resolve();
        };
        request.onerror = () => reject(request.error ?? new Error("refused"));
        request.onblocked = () => reject(new Error("blocked"));
      }),
  };
}
