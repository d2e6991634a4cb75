// Says what this browser lacks, why it is needed and what to do: in place of asking and lending, or above them.
import { LitElement, css, html, type TemplateResult } from "lit";
import type { Capability } from "../../node/face.ts";
import { base, notices, panel } from "./shared-styles.ts";

export class MissingPanel extends LitElement {
  static override styles = [
    base,
    panel,
    notices,
    css`
      .panel,
      li {
        display: grid;
        gap: 14px;
      }
      ul {
        display: grid;
        gap: 18px;
      }
      li {
        gap: 4px;
        padding-inline-start: 16px;
        border-inline-start: 3px solid var(--alert);
        max-width: 72ch;
      }
      h3 {
        font-size: 1.0625rem;
      }
    `,
  ];
  static override properties = { missing: { attribute: false }, blocked: { type: Boolean } };

  declare missing: Capability["missing"];
  /** Whether asking and lending are impossible here. If not, the page goes on without what is missing. */
  declare blocked: boolean;

  protected override render(): TemplateResult {
    if (!this.blocked) {
      return html`<div class="notice" role="status" data-testid="capability-notice">
        ${this.missing.map((item) => html`<p><strong>${item.name} is not available.</strong> ${item.why} ${item.whatToDo}</p>`)}
      </div>`;
    }
    return html`<section class="panel" aria-labelledby="title" data-testid="capability-blocked">
      <h2 id="title">This browser can't take part yet</h2>
      <p class="lead">Nothing was loaded. Here is what is missing and what you can do. The swarm below goes on without this tab.</p>
      <ul>
        ${this.missing.map(
          (item) =>
            html`<li data-missing=${item.name}>
              <h3>${item.name}</h3>
              <p class="soft">${item.why}</p>
              <p>${item.whatToDo}</p>
            </li>`,
        )}
      </ul>
    </section>`;
  }
}
