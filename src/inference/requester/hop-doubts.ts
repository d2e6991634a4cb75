// Links between neighbours of a route that broke or bring nothing on. Both neighbours are asked for a sign of life
// before either is replaced: a link that breaks between two living peers is made anew.
import { ManyhandsError } from "../../shared/errors.ts";
import type { HopLink } from "./hop-link.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds in which a peer must give a sign of life. */
  aliveMs: 650,
  /** How often a link between two living neighbours is made anew before the hop behind it is replaced. */
  flaps: 2,
});

/** A hop that may have lost its link to the one before it, or either of the two may be gone. */
interface Doubt {
  readonly hop: HopLink;
  readonly up: HopLink;
}

/** Whether a doubt still matters: neither hop is lost yet, and the two are still neighbours. */
const matters = ({ hop, up }: Doubt): boolean => hop.isOpen && up.isOpen && hop.fedBy === up;

export class HopDoubts {
  readonly #onAdded: () => void;
  #doubts: readonly Doubt[] = [];

  constructor(onAdded: () => void) {
    this.#onAdded = onAdded;
  }

  /** Whether a doubt that matters is not settled. */
  get isOpen(): boolean {
    return this.#doubts.some(matters);
  }

  add(hop: HopLink, up: HopLink): void {
    if (this.#doubts.some((doubt) => doubt.hop === hop && doubt.up === up)) return;
    this.#doubts = [...this.#doubts, { hop, up }];
    this.#onAdded();
  }

  /**
   * Asks the peers in doubt. One that gives no sign of life is lost. If both live, the one behind waits to be linked
   * again.
   */
  async settle(signal: AbortSignal): Promise<void> {
    const doubts = this.#doubts.filter(matters);
    this.#doubts = [];
    await Promise.all(doubts.map((doubt) => this.#settleOne(doubt, signal)));
  }

  async #settleOne(doubt: Doubt, signal: AbortSignal): Promise<void> {
    const { hop, up } = doubt;
    await Promise.all([ask(hop, signal), ask(up, signal)]);
    if (!matters(doubt)) return;
    hop.fedBy = undefined;
    if (++hop.flaps > DEFAULTS.flaps) hop.lose(new ManyhandsError("PEER_LOST", "a peer of the route keeps losing its link"));
  }
}

async function ask(hop: HopLink, signal: AbortSignal): Promise<void> {
  try {
    await hop.probe(DEFAULTS.aliveMs, signal);
  } catch (error) {
    signal.throwIfAborted();
    hop.lose(new ManyhandsError("PEER_LOST", "a peer of the route is gone", { cause: error }));
  }
}
