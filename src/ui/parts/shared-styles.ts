// Styles that several elements share: panels, buttons, fields, and the few rules that every shadow root needs.
import { css } from "lit";

export const base = css`
  *,
  *::before,
  *::after {
    box-sizing: border-box;
  }
  :host {
    display: block;
  }
  :host([hidden]),
  [hidden] {
    display: none !important;
  }
  h2,
  h3,
  p,
  ul,
  ol,
  dl,
  dd,
  figure {
    margin: 0;
    padding: 0;
  }
  ul,
  ol {
    list-style: none;
  }
  a {
    color: var(--link);
    text-underline-offset: 0.18em;
  }
  :focus-visible {
    outline: 3px solid var(--focus);
    outline-offset: 2px;
    border-radius: 6px;
  }
  .unseen {
    position: absolute;
    width: 1px;
    height: 1px;
    margin: -1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
  .soft {
    color: var(--soft);
  }
  .small {
    font-size: 0.875rem;
    line-height: 1.5;
  }
  .figure {
    font-variant-numeric: tabular-nums;
  }
  @media (prefers-reduced-motion: reduce) {
    *,
    *::before,
    *::after {
      animation: none !important;
      transition: none !important;
      scroll-behavior: auto !important;
    }
  }
`;

export const panel = css`
  .panel {
    background: var(--card);
    border: 1px solid var(--edge);
    border-radius: var(--radius);
    box-shadow: var(--shadow);
    padding: clamp(18px, 3.2vw, 30px);
  }
  h2 {
    font: 600 1.45rem/1.2 var(--serif);
    letter-spacing: -0.005em;
    text-wrap: balance;
  }
  h3 {
    font: 600 0.95rem/1.35 var(--sans);
  }
  .lead {
    color: var(--soft);
    max-width: 62ch;
    text-wrap: pretty;
  }
`;

export const buttons = css`
  button {
    font: inherit;
    color: inherit;
  }
  .button {
    display: inline-flex;
    align-items: center;
    justify-content: center;
    gap: 8px;
    min-height: 44px;
    padding: 8px 20px;
    border: 1px solid var(--field-edge);
    border-radius: 999px;
    background: transparent;
    color: var(--ink);
    font-weight: 600;
    cursor: pointer;
    transition:
      background 0.15s,
      border-color 0.15s,
      transform 0.1s;
  }
  .button:hover:not(:disabled) {
    border-color: var(--accent);
    background: color-mix(in srgb, var(--accent) 9%, transparent);
  }
  .button:active:not(:disabled) {
    transform: translateY(1px);
  }
  .button.main {
    background: var(--accent);
    border-color: var(--accent);
    color: var(--on-accent);
  }
  .button.main:hover:not(:disabled) {
    background: var(--accent-strong);
    border-color: var(--accent-strong);
  }
  .button:disabled {
    cursor: default;
    opacity: 0.55;
  }
  .button.slim {
    min-height: 36px;
    padding: 4px 14px;
    font-size: 0.875rem;
  }
  .plain {
    border: 0;
    padding: 4px 0;
    background: none;
    color: var(--link);
    text-decoration: underline;
    text-underline-offset: 0.18em;
    cursor: pointer;
  }
  .button:focus-visible {
    border-radius: 999px;
  }
  .button svg {
    width: 18px;
    height: 18px;
    flex: none;
  }
`;

export const fields = css`
  label,
  .label {
    font-size: 0.875rem;
    font-weight: 600;
  }
  input[type="number"],
  input[type="text"],
  .grid textarea,
  select {
    width: 100%;
    min-height: 42px;
    padding: 6px 10px;
    border: 1px solid var(--field-edge);
    border-radius: var(--radius-small);
    background: var(--sunk);
    color: var(--ink);
    font: inherit;
    font-variant-numeric: tabular-nums;
  }
  input[type="range"] {
    width: 100%;
    height: 28px;
    margin: 0;
    accent-color: var(--accent);
    cursor: pointer;
  }
  summary {
    cursor: pointer;
    font-weight: 600;
    font-size: 0.9375rem;
    padding: 6px 0;
    width: fit-content;
  }
`;

export const notices = css`
  .notice {
    display: grid;
    gap: 10px;
    justify-items: start;
    padding: 12px 16px;
    border-radius: var(--radius-small);
    background: var(--lamp-soft);
    border-inline-start: 4px solid var(--lamp);
  }
  .notice.alert {
    background: var(--alert-soft);
    border-inline-start-color: var(--alert);
  }
`;

/** A panel whose parts stand one under the other. */
export const stacked = css`
  .panel {
    display: grid;
    grid-template-columns: minmax(0, 1fr);
    gap: 18px;
  }
`;

/** Tables of figures, in a frame that scrolls sideways if they are wider than the page. */
export const tables = css`
  .scroll {
    position: relative; /* keeps visually hidden text of the table inside the frame */
    overflow-x: auto;
  }
  table {
    width: 100%;
    border-collapse: collapse;
    font-size: 0.875rem;
    font-variant-numeric: tabular-nums;
  }
  th,
  td {
    padding: 8px 14px 8px 0;
    text-align: start;
    border-bottom: 1px solid var(--edge);
  }
  thead th {
    color: var(--soft);
    font-weight: 600;
  }
`;
