// Styles of the forms by which work is handed over.
import { css } from "lit";

export const taskFormStyles = css`
  form {
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
    margin-top: 4px;
  }
  .options label {
    gap: 8px;
    min-height: 40px;
    padding: 4px 14px;
    border-radius: 999px;
    font-weight: 400;
  }
  .options label:has(:checked) {
    font-weight: 600;
  }
  .options input {
    margin: 0;
    accent-color: var(--accent);
    outline: none;
  }
  textarea {
    min-height: 3.2em;
    max-height: 60vh;
    padding: 10px 12px;
    font: 0.9375rem/1.5 var(--sans);
  }
  textarea.code {
    font: 0.875rem/1.55 var(--mono);
    tab-size: 2;
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
  .chip {
    font-size: 0.9375rem;
  }
`;
