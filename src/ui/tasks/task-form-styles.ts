// Styles of the forms by which work is handed over.
import { css } from "lit";

export const taskFormStyles = css`
  form {
    display: grid;
    grid-template-columns: minmax(0, 1fr);
    gap: 16px;
  }
  .field {
    display: grid;
    gap: 4px;
    min-width: 0;
  }
  fieldset {
    margin: 0;
    padding: 0;
    border: 0;
    min-width: 0;
  }
  fieldset p {
    margin-top: 6px;
  }
  legend {
    padding: 0;
  }
  .options {
    display: flex;
    flex-wrap: wrap;
    gap: 8px;
    margin-top: 4px;
  }
  .options label {
    display: inline-flex;
    align-items: center;
    gap: 8px;
    min-height: 40px;
    padding: 4px 14px;
    border: 1px solid var(--field-edge);
    border-radius: 999px;
    font-weight: 400;
    cursor: pointer;
  }
  .options label:has(:checked) {
    border-color: var(--accent);
    background: color-mix(in srgb, var(--accent) 14%, transparent);
    font-weight: 600;
  }
  .options label:has(:focus-visible) {
    outline: 3px solid var(--focus);
    outline-offset: 2px;
  }
  .options input {
    margin: 0;
    accent-color: var(--accent);
    outline: none;
  }
  textarea {
    display: block;
    width: 100%;
    min-height: 3.2em;
    max-height: 60vh;
    resize: vertical;
    padding: 10px 12px;
    border: 1px solid var(--field-edge);
    border-radius: var(--radius-small);
    background: var(--sunk);
    color: var(--ink);
    font: 0.9375rem/1.5 var(--sans);
  }
  textarea.code {
    font: 0.875rem/1.55 var(--mono);
    tab-size: 2;
  }
  textarea::placeholder {
    color: var(--soft);
    opacity: 1;
  }
  [aria-invalid="true"] {
    border-color: var(--alert) !important;
  }
  input[type="file"] {
    width: 100%;
    font: inherit;
    font-size: 0.9375rem;
    color: var(--ink);
  }
  input[type="file"]::file-selector-button {
    min-height: 36px;
    margin-inline-end: 12px;
    padding: 4px 14px;
    border: 1px solid var(--field-edge);
    border-radius: 999px;
    background: transparent;
    color: var(--ink);
    font: inherit;
    font-weight: 600;
    cursor: pointer;
  }
  input[type="number"] {
    max-width: 160px;
  }
  .wrong {
    color: var(--alert);
    font-size: 0.9375rem;
    overflow-wrap: anywhere;
  }
  .chips {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 8px;
  }
  .chip {
    min-height: 36px;
    padding: 5px 14px;
    border: 1px solid var(--edge);
    border-radius: 12px;
    background: none;
    color: var(--ink);
    cursor: pointer;
    font-size: 0.9375rem;
  }
  .chip:hover {
    border-color: var(--lamp-edge);
    background: var(--lamp-soft);
  }
  .row {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 10px 16px;
  }
`;
