// Styles of a choice between a few things: radio buttons with large labels. The jobs panel and its forms share them.
import { css } from "lit";

export const choiceStyles = css`
  .choices {
    display: flex;
    flex-wrap: wrap;
    gap: 8px;
  }
  .choices label {
    display: inline-flex;
    align-items: center;
    border: 1px solid var(--field-edge);
    cursor: pointer;
  }
  .choices label:has(:checked) {
    border-color: var(--accent);
    background: color-mix(in srgb, var(--accent) 14%, transparent);
  }
  .choices label:has(:focus-visible) {
    outline: 3px solid var(--focus);
    outline-offset: 2px;
  }
`;
