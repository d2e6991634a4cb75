// Styles of the panel for asking, apart because the panel is long.
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
  textarea {
    min-height: 5.2em;
    max-height: 40vh;
    field-sizing: content;
    padding: 14px 16px;
    border-width: 1.5px;
    font: 1.1875rem/1.5 var(--serif);
  }
  textarea:focus-visible {
    border-radius: var(--radius-small);
    outline-offset: 1px;
  }
  textarea::placeholder {
    font-style: italic;
  }
  textarea[aria-invalid="true"] {
    border-color: var(--alert);
  }
  .chip {
    font: italic 0.9875rem/1.4 var(--serif);
    text-align: start;
  }
  .row .button {
    min-width: 116px;
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
  mh-conversation-view {
    flex: 1;
  }
  .conversation textarea {
    min-height: 3.6em;
    font: 1.0625rem/1.5 var(--sans);
  }
  .conversation textarea::placeholder {
    font-style: normal;
  }
  details textarea {
    margin-top: 6px;
  }
`;
