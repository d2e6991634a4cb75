// The panel for credit, from the relay's ledger: what this tab has earned, what waits and why, and what moved last.
import { LitElement, css, html, nothing, type TemplateResult } from "lit";
import type { CreditState } from "../../node/face.ts";
import { escrowWords, formatCredits, formatMove, gatherMoves, moveWords, type PartWords, pendingWords } from "./credit-words.ts";
import type { NodeController } from "../node-controller.ts";
import { base, fields, panel, tables } from "../parts/shared-styles.ts";
import { Watch } from "../parts/watch.ts";

export class CreditPanel extends LitElement {
  static override styles = [
    base,
    panel,
    fields,
    tables,
    css`
      .panel {
        display: grid;
        grid-template-columns: minmax(0, 1fr);
        gap: 16px;
      }
      dl {
        display: grid;
        grid-template-columns: repeat(auto-fit, minmax(min(150px, 100%), 1fr));
        gap: 12px;
      }
      dl div {
        padding: 12px 14px;
        border: 1px solid var(--edge);
        border-radius: var(--radius-small);
        background: var(--sunk);
      }
      dt {
        color: var(--soft);
        font-size: 0.875rem;
      }
      dd {
        font: 600 1.35rem/1.3 var(--serif);
        font-variant-numeric: tabular-nums;
        overflow-wrap: anywhere;
      }
      th,
      td {
        vertical-align: top;
      }
      .amount {
        text-align: end;
        white-space: nowrap;
      }
    `,
  ];
  static override properties = { controller: { attribute: false }, parts: { state: true } };

  declare controller: NodeController;
  /** Not part of the first load: the list of kinds comes with the node's code, without which there is no account. */
  declare parts: PartWords;
  #isAsked = false;

  constructor() {
    super();
    this.parts = () => undefined;
    new Watch(this, () => [this.controller]);
  }

  protected override willUpdate(): void {
    if (this.#isAsked || this.controller.view.credit?.account === undefined) return;
    this.#isAsked = true;
    import("../../tasks/kinds/find-kind.ts").then(
      ({ factsOf }) => (this.parts = (kind) => factsOf(kind)?.part),
      () => (this.#isAsked = false), // the relay is away: the history shows the ledger's words until the next change
    );
  }

  protected override render(): TemplateResult {
    const { credit } = this.controller.view;
    return html`<section class="panel" aria-labelledby="title">
      <h2 id="title">Credit</h2>
      ${credit?.account === undefined ? this.#empty(credit) : this.#account(credit, credit.account)}
    </section>`;
  }

  #empty(credit: CreditState | undefined): TemplateResult {
    const pending = credit === undefined ? "" : pendingWords(credit);
    return html`<p class="lead" data-testid="credit-empty">
        ${
          credit === undefined
            ? "Nothing yet. A tab that lends earns credit for work that others confirm, and spends it on work of its own. Lend or ask, and your account appears here."
            : "The relay has not said yet what this tab has."
        }
      </p>
      ${pending === "" ? nothing : html`<p class="small" role="status" data-testid="credit-pending">${pending}</p>`}`;
  }

  #account(credit: CreditState, account: NonNullable<CreditState["account"]>): TemplateResult {
    const [escrow, pending] = [account.escrow > 0 ? escrowWords(credit) : "", pendingWords(credit)];
    const figures = [
      ["Balance", "available", account.available],
      ["In escrow", "escrow", account.escrow],
      ["Set aside", "reserved", account.reserved],
      ["Allowance left", "starter", account.starterLeft],
    ] as const;
    return html`<dl>
        ${figures.map(
          ([name, key, micro]) =>
            html`<div>
              <dt>${name}</dt>
              <dd data-testid="credit-${key}" data-micro=${micro}>${formatCredits(micro)}</dd>
            </div>`,
        )}
      </dl>
      ${pending === "" ? nothing : html`<p class="small" role="status" data-testid="credit-pending">${pending}</p>`}
      ${escrow === "" ? nothing : html`<p class="small soft" data-testid="credit-why">${escrow}</p>`}
      <p class="small soft">
        One credit is a billion multiply-adds that another peer confirmed. With the allowance a tab can ask before it has earned anything;
        those who have earned go first.
      </p>
      ${account.history.length === 0 ? html`<p class="small" data-testid="credit-no-history">Nothing has moved yet.</p>` : this.#history(account.history)}`;
  }

  #history(rows: NonNullable<CreditState["account"]>["history"]): TemplateResult {
    return html`<details>
      <summary data-testid="credit-history">What moved last, and why</summary>
      <div class="scroll" tabindex="0" role="group" aria-label="Table of what moved">
        <table>
          <thead>
            <tr>
              <th scope="col">When</th>
              <th scope="col">Why</th>
              <th scope="col" class="amount">Credits</th>
            </tr>
          </thead>
          <tbody>
            ${gatherMoves(rows, this.parts).map(
              ({ row, count, amount }) =>
                html`<tr>
                  <td>${new Date(row.atMs).toLocaleString()}</td>
                  <td>${moveWords(row, this.parts, count)}</td>
                  <td class="amount">${formatMove(amount)}</td>
                </tr>`,
            )}
          </tbody>
        </table>
      </div>
    </details>`;
  }
}
