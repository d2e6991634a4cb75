// Styles of the desk for tasks.
import { css } from "lit";

export const jobsPanelStyles = css`
  .columns {
    display: grid;
    grid-template-columns: minmax(0, 1fr);
    gap: 28px clamp(20px, 3vw, 40px);
  }
  .new,
  .jobs {
    display: grid;
    grid-template-columns: minmax(0, 1fr);
    align-content: start;
    gap: 14px;
  }
  @media (min-width: 940px) {
    .columns {
      grid-template-columns: minmax(0, 1.1fr) minmax(0, 1fr);
    }
  }
  h3 {
    margin: 0;
    font: 600 1.125rem/1.3 var(--serif);
  }
  .kinds {
    margin: 0;
    padding: 0;
    border: 0;
    min-width: 0;
  }
  .kinds label {
    position: relative;
    min-height: 44px;
    padding: 6px 16px;
    border-radius: var(--radius-small);
    font-size: 0.9375rem;
    font-weight: 600;
  }
  .kinds label:has(:checked) {
    box-shadow: inset 0 -3px 0 var(--accent);
  }
  .kinds input {
    position: absolute;
    inset: 0;
    width: 100%;
    height: 100%;
    margin: 0;
    opacity: 0;
    cursor: pointer;
  }
  .hint {
    flex: 1 1 220px;
  }
  .words {
    display: grid;
    gap: 8px;
    padding-top: 4px;
    max-width: 68ch;
  }
  .settings {
    display: grid;
    gap: 14px;
    padding: 6px 0;
  }
  .settings > div {
    display: grid;
    gap: 4px;
  }
  .settings input[type="number"] {
    max-width: 200px;
  }
  .check {
    display: flex;
    align-items: center;
    gap: 10px;
    min-height: 44px;
  }
  .check input {
    width: 20px;
    height: 20px;
    accent-color: var(--accent);
  }
  .jobs ul {
    display: grid;
    gap: 12px;
  }
`;
