// Styles of the panel in which a person asks.
import { css } from "lit";

export const askPanelStyles = css`
  .panel {
    display: flex;
    flex-direction: column;
    gap: 18px;
    height: 100%;
  }
  mh-answer {
    flex: 1;
  }
  form {
    display: grid;
    gap: 12px;
  }
  textarea {
    display: block;
    width: 100%;
    min-height: 5.2em;
    max-height: 40vh;
    field-sizing: content;
    resize: vertical;
    padding: 14px 16px;
    border: 1.5px solid var(--field-edge);
    border-radius: var(--radius-small);
    background: var(--sunk);
    color: var(--ink);
    font: 1.1875rem/1.5 var(--serif);
  }
  textarea:focus-visible {
    border-radius: var(--radius-small);
    outline-offset: 1px;
  }
  textarea::placeholder {
    color: var(--soft);
    font-style: italic;
    opacity: 1;
  }
  textarea[aria-invalid="true"] {
    border-color: var(--alert);
  }
  .chips {
    display: flex;
    flex-wrap: wrap;
    gap: 8px;
  }
  .chip {
    min-height: 36px;
    padding: 5px 14px;
    border: 1px solid var(--edge);
    border-radius: 12px;
    background: none;
    color: var(--ink);
    font: italic 0.9875rem/1.4 var(--serif);
    text-align: start;
    cursor: pointer;
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
  .row .button {
    min-width: 116px;
  }
  .wrong {
    color: var(--alert);
    font-size: 0.9375rem;
  }
  .hint {
    flex: 1 1 220px;
  }
  kbd {
    font: 0.8125rem var(--mono);
    padding: 1px 6px;
    border: 1px solid var(--edge);
    border-radius: 5px;
  }
  @media (hover: none), (pointer: coarse) {
    .keys {
      display: none;
    }
  }
  .head {
    display: flex;
    flex-wrap: wrap;
    align-items: end;
    justify-content: space-between;
    gap: 10px 24px;
  }
  .head mh-model-select {
    flex: 0 1 320px;
  }
  mh-talk-view {
    flex: 1;
  }
  .talk textarea {
    min-height: 3.6em;
    font: 1.0625rem/1.5 var(--sans);
  }
  .talk textarea::placeholder {
    font-style: normal;
  }
  details textarea {
    margin-top: 6px;
  }
`;
