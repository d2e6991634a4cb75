// Looks of the widget's card: at home on any page, in a column as narrow as 240 px.
import { css } from "lit";

export const cardStyles = css`
  :host {
    color: var(--ink);
    font: 15px/1.5 var(--sans);
  }
  .card {
    display: grid;
    gap: 12px;
    padding: 18px;
    border: 1px solid var(--edge);
    border-radius: 16px;
    background: var(--card);
  }
  .card.serving {
    border-color: var(--lamp-edge);
  }
  .head {
    display: grid;
    grid-template-columns: auto 1fr;
    gap: 12px;
    align-items: center;
  }
  h2 {
    font: 600 1.125rem/1.25 var(--serif);
    text-wrap: balance;
  }
  .state {
    font-weight: 600;
    line-height: 1.4;
  }
  .row {
    display: flex;
    flex-wrap: wrap;
    gap: 8px;
  }
  .row .slim {
    min-height: 40px;
  }
  .line {
    display: flex;
    align-items: center;
    gap: 8px;
    padding: 4px 2px;
    color: var(--soft);
  }
  .line .plain {
    min-height: 28px;
  }
  .line svg {
    flex: none;
  }
  :host([compact]) .card {
    gap: 8px;
    padding: 12px 14px;
  }
  :host([compact]) .head svg {
    width: 26px;
    height: 26px;
  }
  :host([compact]) h2 {
    font-size: 1rem;
  }
`;
