/**
 * The colours and the type of every page of this product, as custom properties of CSS: for the light
 * and the dark theme, which the visitor's system chooses. Text has a contrast of at least 4.5 to 1 on
 * `--ground`, `--sheet` and `--tint`.
 */
export const TOKENS = `:root {
  color-scheme: light dark;
  --ground: light-dark(#f7f8f8, #0d1214);
  --sheet: light-dark(#ffffff, #151c1f);
  --ink: light-dark(#172024, #e6edef);
  --soft: light-dark(#526068, #9fb0b7);
  --line: light-dark(#dfe5e7, #28333a);
  --edge: light-dark(#87959c, #55656d);
  --tint: light-dark(#eef3f3, #1b2529);
  --accent: light-dark(#0b6b63, #5eead4);
  --on-accent: light-dark(#ffffff, #06231f);
  --good: light-dark(#0b6b63, #5eead4);
  --warn: light-dark(#9a3412, #fdba74);
  --bad: light-dark(#b3261e, #ff8f85);
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
  --mono: ui-monospace, "SF Mono", "Cascadia Code", Menlo, "DejaVu Sans Mono", monospace;
}
@media (prefers-contrast: more) { :root { --soft: var(--ink); --line: var(--ink); } }
`;

/** The sign of the product, as SVG: a magnifying glass. */
export const SIGN = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#0f766e"/><circle cx="14" cy="14" r="6.5" fill="none" stroke="#fff" stroke-width="2.6"/><path d="m19 19 6 6" stroke="#fff" stroke-width="3" stroke-linecap="round"/><circle cx="14" cy="14" r="2" fill="#5eead4"/></svg>
`;
