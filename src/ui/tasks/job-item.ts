// One job in the list: its progress, its picture or result, and the buttons to stop, save or forget it.
import { LitElement, css, html, nothing, type TemplateResult } from "lit";
import type { Node, JobView } from "../../node/face.ts";
import { problemOf } from "../node-controller.ts";
import { SIGNS } from "../parts/icons.ts";
import { progressStyles } from "../parts/progress-bar.ts";
import { base, buttons, notices } from "../parts/shared-styles.ts";
import { saveFile } from "./save-file.ts";
import { type ValueText, valueText } from "./value-text.ts";
import type { JobPicture } from "./job-picture.ts";
import { isOver, progressWords, stateWords, whenWords, wrongWords } from "./job-words.ts";

/** The most lines and characters of a result that are shown. Copying and saving include the whole result. */
const LINES_SHOWN = 12;
const CHARACTERS_SHOWN = 4000;

/** The slice of the node that a job in the list needs. */
export type JobsNode = Pick<Node, "waitForResult" | "watchParts" | "taskData" | "cancelTask" | "forgetTask">;

export class JobItem extends LitElement {
  static override styles = [
    base,
    buttons,
    notices,
    progressStyles,
    css`
      article {
        display: grid;
        grid-template-columns: minmax(0, 1fr);
        gap: 10px;
        padding: 14px 16px;
        border: 1px solid var(--edge);
        border-radius: var(--radius-small);
        background: var(--sunk);
      }
      .head {
        display: flex;
        flex-wrap: wrap;
        align-items: baseline;
        justify-content: space-between;
        gap: 2px 16px;
      }
      h4 {
        margin: 0;
        font: 600 1rem/1.35 var(--sans);
        overflow-wrap: anywhere;
      }
      .state {
        font-weight: 600;
        font-size: 0.9375rem;
        overflow-wrap: anywhere;
      }
      .state.done {
        color: var(--good);
      }
      .state.failed {
        color: var(--alert);
      }
      pre {
        margin: 0;
        max-height: 16em;
        overflow: auto;
        padding: 10px 12px;
        border: 1px solid var(--edge);
        border-radius: var(--radius-small);
        background: var(--card);
        font: 0.8125rem/1.5 var(--mono);
        white-space: pre;
      }
      .verbs {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 8px 12px;
      }
      .verbs .plain {
        margin-inline-start: auto;
      }
    `,
  ];
  static override properties = {
    job: { attribute: false },
    node: { attribute: false },
    size: { state: true },
    result: { state: true },
    trouble: { state: true },
  };

  declare job: JobView;
  declare node: JobsNode | undefined;
  /** Pixels of the picture; undefined until they are known, and for other kinds. */
  declare size: readonly [width: number, height: number] | undefined;
  /** Undefined until the result is here; a picture has none. */
  declare result: ValueText | undefined;
  declare trouble: string;
  #over = new AbortController();
  #isAsked = false;
  #isWatched = false;

  constructor() {
    super();
    this.trouble = "";
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#over = new AbortController();
    this.#isAsked = false;
    this.#isWatched = false;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#over.abort();
  }

  protected override updated(): void {
    const { job, node } = this;
    if (node === undefined) return;
    if (isPicture(job) && !this.#isWatched) {
      this.#isWatched = true;
      void this.#watch(node, this.#over.signal);
    }
    if (isPicture(job) || job.state !== "done" || this.#isAsked) return;
    this.#isAsked = true;
    void this.#fetch(node, this.#over.signal);
  }

  get #picture(): JobPicture | null {
    return this.renderRoot.querySelector("mh-job-picture");
  }

  /** Draws each square as it comes, beginning with those that are there already. */
  async #watch(node: JobsNode, signal: AbortSignal): Promise<void> {
    const { job } = this;
    try {
      const { width, height } = await node.taskData<"render" | "render_gpu">(job.id);
      if (signal.aborted) return;
      this.size = [width, height];
      await this.updateComplete;
      signal.addEventListener(
        "abort",
        node.watchParts(job.id, (at, output) => this.#picture?.draw(at, output)),
        { once: true },
      );
    } catch (error) {
      if (!signal.aborted) this.trouble = problemOf(error).message;
    }
  }

  async #fetch(node: JobsNode, signal: AbortSignal): Promise<void> {
    try {
      this.result = valueText(this.job.kind, await node.waitForResult(this.job.id, signal));
    } catch (error) {
      if (!signal.aborted) this.trouble = problemOf(error).message;
    }
  }

  async #savePicture(): Promise<void> {
    const png = await this.#picture?.toPng();
    if (png === undefined) this.trouble = "This browser did not make a PNG of the picture. The picture is still here: try again.";
    else saveFile(png, `${slug(this.job.label)}.png`);
  }

  #saveText({ text, fileName, type }: ValueText): void {
    saveFile(new Blob([text, "\n"], { type }), fileName);
  }

  async #forget(): Promise<void> {
    try {
      await this.node?.forgetTask(this.job.id);
    } catch (error) {
      this.trouble = problemOf(error).message;
    }
  }

  protected override render(): TemplateResult {
    const { job } = this;
    const caught = wrongWords(job);
    return html`<article
      aria-labelledby="label"
      data-testid="job"
      data-job=${job.id}
      data-kind=${job.kind}
      data-state=${job.state}
      data-done=${job.done}
      data-parts=${job.parts}
      data-checked=${job.checked}
      data-peers=${job.peers}
      data-wrong=${job.wrong}
    >
      <div class="head">
        <h4 id="label">${job.label}</h4>
        <p class="small soft">${whenWords(job.startedMs, Date.now())}</p>
      </div>
      <p class="state ${job.state}" role=${job.state === "failed" ? "alert" : "status"} data-testid="job-state">${stateWords(job)}</p>
      ${
        job.state === "done" || job.state === "failed"
          ? nothing
          : html`<div class="progress">
              <progress aria-label="Parts done of ${job.label}" max=${Math.max(1, job.parts)} .value=${job.done}></progress>
            </div>`
      }
      <p class="small soft figure" data-testid="job-progress">${progressWords(job)}</p>
      ${caught === "" ? nothing : html`<p class="notice small" role="status" data-testid="job-wrong">${caught}</p>`}
      ${this.size === undefined ? nothing : html`<mh-job-picture width=${this.size[0]} height=${this.size[1]} ?card=${job.kind === "render_gpu"} label="Picture: ${job.label}"></mh-job-picture>`}
      ${this.#shown()} ${this.trouble === "" ? nothing : html`<p class="notice alert small" role="alert">${this.trouble}</p>`}
      <div class="verbs">${this.#verbs()}</div>
    </article>`;
  }

  #shown(): TemplateResult | typeof nothing {
    if (this.result === undefined) return nothing;
    const { text, lineCount } = this.result;
    const shown = text.slice(0, CHARACTERS_SHOWN).split("\n", LINES_SHOWN).join("\n");
    const more = lineCount - LINES_SHOWN;
    const isCut = shown.length < text.length;
    return html`<pre tabindex="0" role="region" aria-label="Result" data-testid="job-result">${isCut ? `${shown}…` : shown}</pre>
      ${
        isCut
          ? html`<p class="small soft">
              ${more > 0 ? `${more.toLocaleString("en")} more lines` : "There is more"}; copying and saving include all of it.
            </p>`
          : nothing
      }`;
  }

  #verbs(): TemplateResult {
    const { job, result } = this;
    if (!isOver(job))
      return html`<button type="button" class="button slim" data-testid="job-stop" @click=${() => this.node?.cancelTask(job.id)}>
        ${SIGNS.stop}<span>Stop</span>
      </button>`;
    return html`${
        isPicture(job) && job.state === "done" && this.size !== undefined
          ? html`<button type="button" class="button slim" data-testid="job-save" @click=${() => void this.#savePicture()}>
              Save as PNG
            </button>`
          : nothing
      }
      ${
        result === undefined
          ? nothing
          : html`<mh-copy label="Copy" .text=${result.text}></mh-copy>
              <button type="button" class="button slim" data-testid="job-save" @click=${() => this.#saveText(result)}>Save</button>`
      }
      <button
        type="button"
        class="plain small"
        data-testid="job-forget"
        aria-label="Forget ${job.label}"
        @click=${() => void this.#forget()}
      >
        Forget
      </button>`;
  }
}

const isPicture = ({ kind }: JobView): boolean => kind === "render" || kind === "render_gpu";

const slug = (label: string): string =>
  label
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "") || "picture";
