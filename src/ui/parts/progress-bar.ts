// The progress of a download: a bar, the bytes, the rate and the time left.
import { css, html, nothing, type TemplateResult } from "lit";
import type { LoadProgress } from "../../node/face.ts";
import { formatBytes, formatRate, formatTimeLeft } from "./format.ts";

export const progressStyles = css`
  .progress {
    display: grid;
    gap: 6px;
  }
  .progress progress {
    appearance: none;
    width: 100%;
    height: 10px;
    border: 0;
    border-radius: 99px;
    overflow: hidden;
    background: color-mix(in srgb, var(--field-edge) 32%, transparent);
  }
  .progress progress::-webkit-progress-bar {
    background: transparent;
  }
  .progress progress::-webkit-progress-value {
    border-radius: 99px;
    background: var(--lamp);
    transition: width 0.25s linear;
  }
  .progress progress::-moz-progress-bar {
    border-radius: 99px;
    background: var(--lamp);
  }
  .progress .figures {
    display: flex;
    flex-wrap: wrap;
    justify-content: space-between;
    gap: 0 14px;
  }
`;

/** Returns the bar and its figures. `label` names the bar for a screen reader: "Fetching layers 0–2". */
export function progressBar(progress: LoadProgress, label: string): TemplateResult {
  const { doneBytes, totalBytes, bytesPerSecond, fromCacheBytes, memoryBytes } = progress;
  const rest = [formatRate(bytesPerSecond), formatTimeLeft(doneBytes, totalBytes, bytesPerSecond)].filter((part) => part !== "");
  return html`<div class="progress">
    <progress aria-label=${label} max=${Math.max(1, totalBytes)} .value=${Math.min(doneBytes, Math.max(1, totalBytes))}></progress>
    <p class="figures small soft figure">
      <span>
        ${formatBytes(doneBytes)} of
        ${formatBytes(totalBytes)}${fromCacheBytes > 0 ? html`, ${formatBytes(fromCacheBytes)} of it kept from before` : ""}
      </span>
      <span>${rest.join(", ")}</span>
    </p>
    ${memoryBytes === undefined ? nothing : html`<p class="small soft">Needs up to ${formatBytes(memoryBytes)} of this device's memory.</p>`}
  </div>`;
}
