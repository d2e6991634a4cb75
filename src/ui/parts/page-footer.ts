// The foot of the page: what is protected and what is not, the snippet for other sites, hosting a relay, the licence.
import { LitElement, css, html, type TemplateResult } from "lit";
import { base } from "./shared-styles.ts";

export class PageFooter extends LitElement {
  static override styles = [
    base,
    css`
      .grid {
        display: grid;
        grid-template-columns: repeat(auto-fit, minmax(min(236px, 100%), 1fr));
        gap: 28px 40px;
      }
      h2 {
        font: 600 1.0625rem/1.3 var(--serif);
        margin-bottom: 8px;
      }
      p,
      li {
        color: var(--soft);
        font-size: 0.9375rem;
        text-wrap: pretty;
      }
      ul {
        display: grid;
        gap: 6px;
        padding-inline-start: 1.1em;
        list-style: disc;
      }
      section {
        display: grid;
        align-content: start;
        justify-items: start;
        gap: 4px;
      }
      code {
        font: 0.8125rem/1.5 var(--mono);
      }
      pre {
        width: 100%;
        margin: 8px 0;
        padding: 12px 14px;
        border: 1px solid var(--edge);
        border-radius: var(--radius-small);
        background: var(--card);
        color: var(--ink);
        white-space: pre-wrap;
        overflow-wrap: anywhere;
      }
      .last {
        margin-top: 36px;
        padding-top: 18px;
        border-top: 1px solid var(--edge);
        font-size: 0.875rem;
      }
    `,
  ];
  static override properties = { site: {} };

  /** Address of the folder that the page is in, with a slash at its end. */
  declare site: string;

  protected override render(): TemplateResult {
    const snippet = `<script type="module" src="${new URL("widget.js", this.site).href}"></script><manyhands-widget></manyhands-widget>`;
    return html`<footer>
      <div class="grid">
        <section>
          <h2>What is protected</h2>
          <ul>
            <li>Links between tabs are encrypted, and each tab proves its key.</li>
            <li>Every piece of a model is checked against its SHA-256 before it is used.</li>
            <li>Prompts and answers pass between tabs; the relay does not see them.</li>
            <li>What a tab computes stays in the browser's sandbox.</li>
            <li>Answers and tasks are checked at random; a tab that gives a wrong result loses trust and its credit in escrow.</li>
          </ul>
        </section>
        <section>
          <h2>What is not</h2>
          <ul>
            <li>Tabs on the route see numbers from which your text can be guessed. Write nothing secret.</li>
            <li>Tabs that talk to each other see each other's IP addresses.</li>
            <li>A result that was not drawn for a check may be wrong, and so may one that two tabs agree to falsify.</li>
            <li>The model makes things up.</li>
          </ul>
        </section>
        <section>
          <h2>Put it on your site</h2>
          <p>A small card that asks each visitor before it does anything.</p>
          <pre data-testid="embed-snippet"><code>${snippet}</code></pre>
          <mh-copy label="Copy the snippet" .text=${snippet}></mh-copy>
        </section>
        <section>
          <h2>Host a relay</h2>
          <p>A relay is one small server: it introduces tabs to each other and serves this page. In a copy of the source:</p>
          <pre><code>npm start</code></pre>
          <p>Add <code>-- --volunteers 2</code> to see a model split at once.</p>
        </section>
      </div>
      <p class="last">Manyhands is free software under the MIT licence. <a href="licences.txt">Licences of the libraries in it</a></p>
    </footer>`;
  }
}
