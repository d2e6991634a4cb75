// Credit in words: amounts, why they moved, what an escrow waits for. Pure.
import type { CreditState, HistoryRow } from "../node/handle.ts";
import { joinWords, plural } from "./format.ts";

const MICRO = 1_000_000;

/** `1,204`, `8.25`, `0.004`: credits from microcredits, three figures below one. */
export function formatCredits(micro: number): string {
  const credits = micro / MICRO;
  const size = Math.abs(credits);
  if (size >= 100 || Number.isInteger(credits)) return Math.round(credits).toLocaleString("en");
  if (size >= 1) return credits.toFixed(2);
  return String(Number(credits.toPrecision(3)));
}

/** With a sign, for the history. */
export const formatMove = (micro: number): string => (micro > 0 ? `+${formatCredits(micro)}` : `−${formatCredits(-micro)}`);

/** A part of each kind of task. */
const PARTS: Readonly<Record<string, string>> = Object.freeze({
  sum: "part of a sum",
  multiply: "part of a product of matrices",
  sort: "part of a list to sort",
  hash: "some hashes",
  render: "a square of a picture",
  render_gpu: "a square of a picture, on the graphics card",
  ml_inference: "runs of a model",
  map: "inputs of a program",
});

/** `a square of a picture (task …x7k2qa)`, from the ledger's `render bafyrei…x7k2qa`; what is no task is told as it is. */
export function workWords(about: string): string {
  const [, kind = "", id = ""] = /^([a-z_]+) (baf[a-z2-7]+)$/.exec(about) ?? [];
  const part = Object.hasOwn(PARTS, kind) ? PARTS[kind] : undefined;
  return part === undefined ? about : `${part} (task …${id.slice(-6)})`;
}

/** Why an account moved, in one line. An unknown reason of a newer relay is told as it is. */
export function moveWords({ why, part, amount, about: named }: HistoryRow): string {
  const about = workWords(named);
  switch (why) {
    case "receipt":
      if (part === "escrow") return `Earned, in escrow: ${about}`;
      return amount > 0 ? `Earned: ${about}` : `Paid: ${about}`;
    case "trusted":
      return part === "escrow" ? "Out of escrow: your work is trusted" : "Escrow released: your work is trusted";
    case "wrong":
      return `Taken back, a result was wrong: ${about}`;
    case "reopened":
      return part === "escrow" ? `Waits for a check, since a result was wrong: ${about}` : `Back into escrow, a result was wrong: ${about}`;
    case "confirmed":
      return part === "escrow" ? `Out of escrow, a check agreed: ${about}` : `Released, a check agreed: ${about}`;
    case "reserve":
      return part === "reserved" ? "Set aside for work that was asked for" : "Set aside";
    case "release":
      return part === "reserved" ? "No longer set aside" : "Given back, not used";
    case "expire":
      return part === "reserved" ? "No longer set aside: its time was over" : "Given back: its time was over";
    case "storage":
      return part === "escrow" ? `For holding rare layers, in escrow: ${about}` : `For holding rare layers: ${about}`;
    default:
      return about === "" ? why : `${why}: ${about}`;
  }
}

/** What the escrow waits for; empty where nothing does. */
export function escrowWords({ account }: CreditState): string {
  if (account === undefined || account.isTrusted) return "";
  const missing = [
    ...(account.checksToTrust > 0
      ? [plural(account.checksToTrust, "more result that was checked and right", "more results that were checked and right")]
      : []),
    ...(account.requestersToTrust > 0
      ? [plural(account.requestersToTrust, "more peer that asked for work", "more peers that asked for work")]
      : []),
  ];
  return `Half of what a new peer earns waits until its work is trusted: ${joinWords(missing)} to go. A wrong result loses what waits.`;
}

/** What is on its way to the ledger; empty where nothing is. */
export function pendingWords({ waiting, isKept }: CreditState): string {
  if (waiting === 0) return "";
  const where = isKept ? "kept in this browser" : "lost when this page closes, because this browser keeps no storage";
  return `${plural(waiting, "receipt waits", "receipts wait")} for the relay, ${where}.`;
}
