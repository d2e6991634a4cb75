// The few pictures of the page: the mark, which is a raised hand whose fingers are layers, and small signs for buttons.
import { svg, type SVGTemplateResult } from "lit";

/** The mark. It is decorative, since the name stands beside it. */
export const mark = (size: number): SVGTemplateResult => svg`
  <svg width=${size} height=${size} viewBox="0 0 40 40" aria-hidden="true" focusable="false">
    <rect width="40" height="40" rx="11" fill="#14453a" />
    <g fill="#f6c66a">
      <rect x="10.4" y="11.4" width="4.4" height="15" rx="2.2" />
      <rect x="15.6" y="7.2" width="4.4" height="18" rx="2.2" fill="#fbdd9d" />
      <rect x="20.8" y="8.4" width="4.4" height="17" rx="2.2" />
      <rect x="26" y="12.6" width="4.4" height="14" rx="2.2" fill="#e9a93a" />
      <path d="M10.4 22h20v3.6c0 4.6-3.6 8-8.2 8h-2c-3.3 0-5.5-1.4-7-4.1l-5.4-7.7c-.8-1.2-.5-2.4.4-3 1-.6 2.1-.3 2.9.7Z" />
    </g>
  </svg>`;

const sign = (path: string): SVGTemplateResult => svg`
  <svg viewBox="0 0 20 20" width="20" height="20" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round"
    stroke-linejoin="round" aria-hidden="true" focusable="false"><path d=${path} /></svg>`;

export const SIGNS = {
  ask: sign("M3.5 10h12.500M11 5l5 5-5 5"),
  stop: sign("M5.5 5.500h9v9h-9Z"),
  copy: sign(
    "M7.5 7.500V4.500a1 1 0 0 1 1-1h7a1 1 0 0 1 1 1v7a1 1 0 0 1-1 1h-3M4.5 7.500h7a1 1 0 0 1 1 1v7a1 1 0 0 1-1 1h-7a1 1 0 0 1-1-1v-7a1 1 0 0 1 1-1Z",
  ),
  done: sign("M4 10.500l4 4 8-9"),
  again: sign("M15.5 6.500A6.5 6.5 0 1 0 16.5 10M16 3v4h-4"),
  sun: sign(
    "M10 6.500a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7ZM10 2v1.500M10 16.500V18M2 10h1.500M16.5 10H18M4.4 4.400l1 1M14.6 14.600l1 1M4.4 15.600l1-1M14.6 5.400l1-1",
  ),
  moon: sign("M16.5 11.800A6.8 6.8 0 0 1 8.2 3.500a6.8 6.8 0 1 0 8.3 8.300Z"),
  auto: sign("M10 3a7 7 0 1 0 0 14a7 7 0 1 0 0-14ZM10 3v14M12.5 4.200v11.600M15 6v8"),
} as const;
