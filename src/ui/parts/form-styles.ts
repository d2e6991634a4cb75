// Styles of the forms for prompts and jobs: a long text, examples as chips, a row of buttons, and the text of a fault.
import { css } from "lit";

export const formStyles = css`
  form {
    display: grid;
    grid-template-columns: minmax(0, 1fr);
    gap: 12px;
  }
  textarea {
    display: block;
    width: 100%;
    resize: vertical;
    border: 1px solid var(--field-edge);
    border-radius: var(--radius-small);
    background: var(--sunk);
    color: var(--ink);
  }
  textarea::placeholder {
    color: var(--soft);
    opacity: 1;
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
  .wrong {
    color: var(--alert);
    font-size: 0.9375rem;
    overflow-wrap: anywhere;
  }
`;
