// Colours and light of the picture of the swarm.
import { css } from "lit";

export const mapStyles = css`
  svg {
    display: block;
    max-width: 100%;
    overflow: visible;
    color: var(--peer-ink);
    font: 0.875rem var(--sans);
  }
  text {
    fill: var(--ink);
  }
  .axis {
    fill: var(--soft);
    font-size: 0.8125rem;
    font-variant-numeric: tabular-nums;
  }
  .name {
    font-weight: 600;
  }
  .coverage .lit {
    fill: color-mix(in srgb, var(--lamp) var(--level), var(--card));
    stroke: var(--lamp-edge);
    stroke-width: 1.5;
  }
  .coverage .dark {
    fill: var(--card);
    stroke: var(--alert);
    stroke-width: 1.5;
    stroke-dasharray: 4 3;
  }
  .count,
  .none {
    font-size: 0.8125rem;
    font-weight: 600;
    font-variant-numeric: tabular-nums;
    fill: var(--peer-ink);
  }
  .none {
    fill: var(--alert);
  }
  .gap rect {
    fill: var(--alert-soft);
  }
  .pane {
    fill: var(--fill);
    stroke: var(--peer-edge);
    stroke-width: 1.5;
  }
  .loading .pane {
    fill: color-mix(in srgb, var(--fill) 38%, var(--card));
  }
  .hatch {
    opacity: 0.5;
    pointer-events: none;
  }
  .halo {
    fill: none;
    stroke: var(--ink);
    stroke-width: 2.5;
  }
  .pane.lit {
    stroke: var(--lamp-edge);
    animation: lamp 1.6s steps(4) infinite;
  }
  .route {
    fill: none;
    stroke: var(--ink);
    stroke-width: 2;
    stroke-dasharray: 1 6;
    stroke-linecap: round;
    pointer-events: none;
  }
  /* In steps: each frame of an SVG animation is painted on the thread that hands hidden states on. */
  @keyframes lamp {
    0% {
      fill: #fff3cf;
    }
  }
  @media (prefers-reduced-motion: reduce) {
    .pane.lit {
      fill: #fff3cf;
    }
  }
  .more {
    margin-top: 8px;
    min-height: 40px;
    padding: 4px 0;
    border: 0;
    background: none;
    color: var(--link);
    font: inherit;
    text-decoration: underline;
    cursor: pointer;
  }
`;
