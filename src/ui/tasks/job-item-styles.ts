// Styles of one work in the list.
import { css } from "lit";

export const jobItemStyles = css`
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
`;
