// A load for a ledger: peers that post receipts over real streams as fast as they can, and send some acknowledged ones
// again.
import { randomBytes } from "node:crypto";
import { multiaddr } from "@multiformats/multiaddr";
import { CreditClient } from "../../../src/credit/credit-client.ts";
import { createTabNode } from "../../../src/mesh/libp2p/libp2p-node.ts";
import { StreamLink } from "../../../src/mesh/libp2p/stream-link.ts";
import { encodeReceipt, type Receipt, workId } from "../../../src/protocol/receipt.ts";
import { PROTOCOLS } from "../../../src/protocol/version.ts";
import { errorCode } from "../../../src/shared/errors.ts";
import { asPeerId } from "../../../src/shared/ids.ts";
import { systemClock } from "../../../src/shared/clock.ts";
import { silentLog } from "../../../src/shared/log.ts";
import { KINDS } from "../../../src/tasks/kinds/kind-list.ts";
import { newSigner, taskReceipt, type SyncSigner } from "./make-receipts.ts";

const DEFAULTS = Object.freeze({
  peers: 3,
  /** Receipts in one request. */
  batch: 8,
  /** Part of the receipts that were acknowledged before and are sent again. */
  replayPart: 0.15,
  /** Milliseconds to wait after the ledger said that it is busy. */
  busyMs: 50,
});

interface Party {
  readonly worker: SyncSigner;
  readonly requester: SyncSigner;
  readonly witness: SyncSigner;
  /** Receipts that are sent but not acknowledged, as in an outbox. */
  readonly waiting: Map<string, Receipt>;
  /** Receipts that are acknowledged. */
  readonly old: Receipt[];
}

export class ReceiptLoad {
  /** Work ids of the receipts that the relay acknowledged. */
  readonly acknowledged = new Set<string>();
  /** Microcredits of each receipt. */
  readonly price = KINDS.map.price.micro;
  replayed = 0;
  /** Outcomes that no receipt of this load should have. */
  readonly problems: string[] = [];
  readonly #parties: readonly Party[] = Array.from({ length: DEFAULTS.peers }, () => ({
    worker: newSigner(),
    requester: newSigner(),
    witness: newSigner(),
    waiting: new Map(),
    old: [],
  }));
  #running: { readonly life: AbortController; readonly done: Promise<unknown> } | undefined;
  #onProgress: (() => void) | undefined;
  #fresh = true;

  /** Connects to the relay and posts until `stop`, or until the relay is gone. */
  async start(address: string): Promise<void> {
    const life = new AbortController();
    this.#running = { life, done: Promise.all(this.#parties.map((party) => this.#run(party, address, life.signal))) };
  }

  /** Resolves at the next acknowledgement. */
  progress(): Promise<void> {
    return new Promise((resolve) => {
      this.#onProgress = resolve;
    });
  }

  /** Makes no more receipts, and resolves once every receipt that was sent is acknowledged. */
  async settle(signal: AbortSignal): Promise<void> {
    this.#fresh = false;
    while (this.#parties.some(({ waiting }) => waiting.size > 0)) {
      signal.throwIfAborted();
      await Promise.race([this.progress(), this.#running?.done]);
    }
  }

  async stop(): Promise<void> {
    this.#running?.life.abort(new Error("the load stops"));
    await this.#running?.done;
    this.#running = undefined;
  }

  async #run(party: Party, address: string, signal: AbortSignal): Promise<void> {
    const node = await createTabNode({ seed: randomBytes(32), iceServers: [] });
    try {
      const stream = await node.dialProtocol(multiaddr(address), PROTOCOLS.credit, { signal });
      const link = new StreamLink(stream, asPeerId(address.split("/").at(-1) ?? ""));
      const client = new CreditClient({ link, shelf: { get: () => Promise.resolve(undefined) }, clock: systemClock, log: silentLog });
      while (!signal.aborted) await this.#post(client, party, signal);
    } catch {
      // The soak killed the relay. The receipts that it did not acknowledge are sent again.
    } finally {
      await node.stop();
    }
  }

  async #post(client: CreditClient, party: Party, signal: AbortSignal): Promise<void> {
    const batch = this.#batch(party);
    try {
      const outcomes = await client.post(batch.map(encodeReceipt), signal);
      for (const [index, receipt] of batch.entries()) {
        const outcome = outcomes[index];
        if (outcome?.kind !== "posted" && outcome?.kind !== "already") {
          this.problems.push(JSON.stringify(outcome));
          continue;
        }
        const id = workId(receipt.statement.claim);
        if (this.acknowledged.has(id)) this.replayed++;
        else party.old.push(receipt);
        this.acknowledged.add(id);
        party.waiting.delete(id);
      }
      this.#onProgress?.();
    } catch (error) {
      if (errorCode(error) !== "LEDGER_UNAVAILABLE") throw error;
      await new Promise((resolve) => setTimeout(resolve, DEFAULTS.busyMs));
    }
  }

  /** Returns unacknowledged receipts first, then sometimes an acknowledged one, then new ones. */
  #batch({ worker, requester, witness, waiting, old }: Party): readonly Receipt[] {
    const batch = new Set([...waiting.values()].slice(0, DEFAULTS.batch - 1));
    const replay = old[Math.floor(Math.random() * old.length)];
    if (replay !== undefined && (Math.random() < DEFAULTS.replayPart * DEFAULTS.batch || !this.#fresh)) batch.add(replay);
    while (batch.size === 0 || (this.#fresh && batch.size < DEFAULTS.batch)) {
      const receipt = taskReceipt({ worker, requester, witnesses: [witness], verdict: Math.random() < 0.5 ? "quorum" : "audited" });
      waiting.set(workId(receipt.statement.claim), receipt);
      batch.add(receipt);
    }
    return [...batch];
  }
}
