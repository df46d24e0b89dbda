import { TOKENS } from "@sonde/service/web";

/** One style sheet for all pages: system fonts, light and dark mode, readable on a phone. */
export const STYLE = `${TOKENS}
:root { --wide: 72rem; }
@media (min-width: 110rem) { :root { --wide: 100rem; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; min-height: 100vh; display: flex; flex-direction: column;
  background: var(--ground); color: var(--ink);
  font: 1rem/1.6 var(--sans);
}
main { flex: 1; width: 100%; max-width: var(--wide); margin: 0 auto; padding: 1.5rem 1.25rem 3rem; }
a { color: var(--accent); text-underline-offset: .18em; text-decoration-thickness: .06em; }
a:hover { text-decoration-thickness: .12em; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
h1, h2, h3 { line-height: 1.2; text-wrap: balance; letter-spacing: -.01em; }
h1 { font-size: clamp(1.8rem, 5vw, 2.6rem); margin: 0 0 .4rem; letter-spacing: -.025em; }
h2 { font-size: 1.25rem; margin: 0 0 .75rem; }
h3 { font-size: 1rem; margin: 1.25rem 0 .25rem; }
p { margin: 0 0 .75rem; }
ul { padding-left: 1.2rem; }
code, pre { font-family: var(--mono); font-size: .875em; }
pre {
  background: var(--tint); border: 1px solid var(--line); border-radius: 8px;
  padding: .75rem .9rem; overflow-x: auto; line-height: 1.5; margin: 0 0 .75rem;
}
.skip, .unseen { position: absolute; left: -10000px; }
.skip:focus { left: 1rem; top: .5rem; background: var(--sheet); padding: .5rem 1rem; z-index: 2; }
.bar {
  display: flex; flex-wrap: wrap; gap: .75rem 1.5rem; align-items: center;
  padding: .8rem max(1.25rem, calc((100% - var(--wide)) / 2 + 1.25rem));
  background: var(--sheet); border-bottom: 1px solid var(--line);
}
.brand {
  display: inline-flex; align-items: center; gap: .55rem; font-weight: 700; font-size: 1.05rem;
  color: var(--ink); text-decoration: none; letter-spacing: -.01em;
}
.brand span { font-weight: 400; color: var(--soft); }
.bar form { flex: 1 1 18rem; display: flex; gap: .5rem; }
input[type="search"] {
  flex: 1; min-width: 0; font: inherit; color: inherit; background: var(--ground);
  border: 1px solid var(--edge); border-radius: 8px; padding: .45rem .75rem;
}
input::placeholder { color: var(--soft); opacity: 1; }
button, .button {
  font: inherit; font-weight: 600; border: 0; border-radius: 8px; padding: .45rem 1rem; cursor: pointer;
  background: var(--accent); color: var(--on-accent); text-decoration: none; display: inline-block;
}
.hero { padding: 1.5rem 0 2rem; max-width: 46rem; }
.lead { font-size: 1.15rem; color: var(--soft); text-wrap: pretty; overflow-wrap: anywhere; }
.eyebrow { color: var(--soft); font-family: var(--mono); font-size: .9rem; margin: 0 0 .2rem; }
.packs { list-style: none; padding: 0; margin: 0; display: grid; gap: .9rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 21rem), 1fr)); }
.card, section.side, .columns > div > section {
  background: var(--sheet); border: 1px solid var(--line); border-radius: 12px; padding: 1.1rem 1.25rem;
}
.card { display: flex; flex-direction: column; position: relative; }
.card:hover { border-color: var(--accent); }
.card h3 { margin: 0 0 .3rem; font-size: 1.1rem; overflow-wrap: anywhere; }
.card h3 a { text-decoration: none; }
.card h3 a::after { content: ""; position: absolute; inset: 0; border-radius: 12px; }
.card h3 span { color: var(--soft); font-weight: 400; }
.card p { overflow-wrap: anywhere; }
.card .about { flex: 1; display: -webkit-box; -webkit-line-clamp: 3; -webkit-box-orient: vertical; overflow: hidden; }
.card .badges, .card .marks { position: relative; z-index: 1; width: fit-content; max-width: 100%; }
.badges { list-style: none; padding: 0; margin: 0 0 .75rem; display: flex; flex-wrap: wrap; gap: .4rem; }
.marks { display: flex; flex-wrap: wrap; gap: .4rem; margin: 0 0 .5rem; }
.badge { display: inline-block; font-size: .8rem; font-weight: 600; line-height: 1.3; border-radius: 99px; padding: .25em .75em; border: 1px solid var(--edge); color: var(--ink); background: var(--sheet); text-decoration: none; overflow-wrap: anywhere; }
a.badge:hover { border-color: currentColor; text-decoration: underline; }
.badge.observe { color: var(--good); border-color: currentColor; }
.badge.interact, .badge.manage { color: var(--warn); border-color: currentColor; }
.badge.mark { color: var(--bad); border-color: currentColor; border-width: 2px; }
.badge.engine { background: var(--tint); border-radius: 6px; }
.count { color: var(--soft); font-weight: 400; font-variant-numeric: tabular-nums; }
.browse { display: grid; gap: 1.5rem 2rem; grid-template-columns: 13rem minmax(0, 1fr); align-items: start; }
.browse > :only-child { grid-column: 1 / -1; }
.filters h2 { font-size: .95rem; margin: 0 0 .4rem; }
.filters ul { list-style: none; padding: 0; margin: 0 0 1.25rem; }
.filters li a { display: flex; justify-content: space-between; gap: .5rem; padding: .25rem .6rem; border-radius: 8px; color: var(--ink); text-decoration: none; }
.filters li a:hover { background: var(--tint); text-decoration: underline; }
.filters li a[aria-current] { background: var(--accent); color: var(--on-accent); font-weight: 600; }
.filters li a[aria-current] .count { color: inherit; }
.chosen { list-style: none; padding: 0; margin: 0 0 1rem; display: flex; flex-wrap: wrap; gap: .5rem; }
.chosen a { display: inline-block; border: 1px solid var(--edge); border-radius: 8px; padding: .2rem .6rem; color: var(--ink); background: var(--tint); text-decoration: none; overflow-wrap: anywhere; }
.chosen a:hover { text-decoration: underline; }
.orders { display: flex; flex-wrap: wrap; gap: .25rem .9rem; margin: 0 0 1rem; color: var(--soft); font-size: .95rem; }
.orders ul { list-style: none; padding: 0; margin: 0; display: flex; flex-wrap: wrap; gap: .25rem .9rem; }
.orders a { display: inline-block; padding: .1rem 0; }
.orders a[aria-current] { color: var(--ink); font-weight: 700; text-decoration: none; }
.facts { display: flex; flex-wrap: wrap; gap: .35rem 1rem; align-items: center; color: var(--soft); font-size: .9rem; margin: 0; }
.version { font-family: var(--mono); font-size: .85em; font-weight: 600; color: var(--ink); background: var(--tint); border: 1px solid var(--line); border-radius: 6px; padding: .05em .5em; letter-spacing: 0; }
h1 .version { font-size: .45em; vertical-align: .4em; }
.more { margin: 1.5rem 0 0; }
.pack { padding: .5rem 0 1.5rem; }
.columns { display: grid; gap: 1rem; grid-template-columns: minmax(0, 1.7fr) minmax(0, 1fr); align-items: start; }
.columns > div { display: grid; grid-template-columns: minmax(0, 1fr); gap: 1rem; min-width: 0; }
.permissions { list-style: none; padding: 0; margin: 0; }
.warnings { list-style: none; padding: .2rem 1rem; margin: 1rem 0 0; border: 1px solid var(--warn); border-left-width: 5px; border-radius: 8px; overflow-wrap: anywhere; }
.warnings li { padding: .45rem 0; }
.warnings strong { color: var(--warn); }
.permissions li { border-top: 1px solid var(--line); padding: .6rem 0; }
.permissions li:last-child { padding-bottom: 0; }
.permissions p { margin: 0 0 .3rem; font-size: .95rem; }
.exact { display: block; background: var(--tint); border-radius: 6px; padding: .3rem .6rem; overflow-wrap: anywhere; }
.probes { margin: 0; }
.probes > div { border-top: 1px solid var(--line); padding: .7rem 0; }
.probes > div:last-child { padding-bottom: 0; }
.probes dt { font-weight: 600; overflow-wrap: anywhere; }
.probes dd { margin: .15rem 0 0; overflow-wrap: anywhere; }
details { margin-top: .35rem; font-size: .9rem; }
summary { cursor: pointer; color: var(--accent); width: fit-content; }
details ul { list-style: none; margin: .5rem 0 0; padding: 0; display: grid; gap: .4rem; }
.rule { border-top: 1px solid var(--line); margin-top: .75rem; padding-top: .75rem; }
.note { color: var(--soft); font-size: .92rem; }
.breakable { overflow-wrap: anywhere; }
.side p:last-child, .side pre:last-child { margin-bottom: 0; }
.versions { list-style: none; padding: 0; margin: 0; font-size: .95rem; }
.versions li { display: flex; justify-content: space-between; gap: 1rem; padding: .2rem 0; }
.versions a { font-family: var(--mono); }
.versions a[aria-current] { font-weight: 700; color: var(--ink); text-decoration: none; }
.versions time { color: var(--soft); }
.command { white-space: pre-wrap; overflow-wrap: anywhere; user-select: all; }
.text > section { background: var(--sheet); border: 1px solid var(--line); border-radius: 12px; padding: 1.1rem 1.25rem; margin: 0 0 1rem; }
.meanings { margin: 0; display: grid; gap: .9rem; }
.meanings > div { display: grid; gap: .25rem 1rem; grid-template-columns: 11rem minmax(0, 1fr); scroll-margin-top: 1rem; }
.meanings dt { font-weight: 600; scroll-margin-top: 1rem; }
.meanings dt:target { outline: 2px solid var(--accent); outline-offset: 4px; border-radius: 4px; }
.meanings dd { margin: 0; }
.compare { display: flex; flex-wrap: wrap; gap: .5rem .75rem; align-items: center; margin: .9rem 0 .5rem; font-size: .95rem; }
select { font: inherit; color: inherit; background: var(--ground); border: 1px solid var(--edge); border-radius: 8px; padding: .3rem .5rem; max-width: 12rem; }
.sign { display: inline-block; min-width: 1.1em; font-family: var(--mono); font-weight: 700; }
.sides { display: grid; gap: 1rem 1.5rem; grid-template-columns: repeat(2, minmax(0, 1fr)); }
.sides > div { min-width: 0; overflow-wrap: anywhere; }
.side-of { font-family: var(--mono); font-size: .85rem; color: var(--soft); border-bottom: 1px solid var(--line); }
.tool { border-top: 1px solid var(--line); padding-top: .25rem; }
.params { list-style: none; padding: 0; margin: 0 0 .75rem; display: grid; gap: .4rem; font-size: .95rem; }
.differs { font-size: .8rem; font-weight: 600; color: var(--warn); border: 1px solid currentColor; border-radius: 6px; padding: 0 .4em; white-space: nowrap; }
.lines { white-space: pre-wrap; overflow-wrap: anywhere; }
.line { display: block; }
.line.added { color: var(--good); }
.line.removed { color: var(--warn); }
.line.left-out { color: var(--soft); }
.known { list-style: none; padding: 0; margin: 0; }
.known li + li { border-top: 1px solid var(--line); margin-top: .75rem; padding-top: .75rem; }
.known h3 { margin: 0 0 .4rem; }
.identity { margin: 0 0 .5rem; }
.identity dt { color: var(--soft); font-size: .9rem; }
.identity dd { margin: 0 0 .4rem; }
.checkpoint { font-size: .72rem; white-space: pre-wrap; overflow-wrap: anywhere; }
.readme { unicode-bidi: isolate; overflow-wrap: anywhere; contain: content; }
.readme > :first-child { margin-top: 0; }
.readme > :last-child { margin-bottom: 0; }
.readme h3 { font-size: 1.15rem; }
.readme code { background: var(--tint); border-radius: 4px; padding: .1em .3em; }
.readme pre { white-space: pre-wrap; overflow-wrap: anywhere; }
.readme pre code { background: none; padding: 0; }
.readme table { border-collapse: collapse; margin: 0 0 .75rem; }
.readme th, .readme td { border: 1px solid var(--line); padding: .35rem .7rem; text-align: start; }
.readme blockquote { margin: 0 0 .75rem; padding-left: 1rem; border-left: 3px solid var(--line); color: var(--soft); }
footer { border-top: 1px solid var(--line); color: var(--soft); font-size: .9rem; padding: 1.25rem max(1.25rem, calc((100% - var(--wide)) / 2 + 1.25rem)); display: flex; flex-wrap: wrap; gap: .25rem 2rem; justify-content: space-between; }
footer p { margin: 0; }
footer a + a { margin-left: 1rem; }
@media (max-width: 52rem) {
  .columns, .browse, .sides { grid-template-columns: minmax(0, 1fr); }
  .hero { padding-top: .5rem; }
  .meanings > div { grid-template-columns: minmax(0, 1fr); }
  .filters ul { display: flex; flex-wrap: wrap; gap: .4rem; margin-bottom: .9rem; }
  .filters li a { border: 1px solid var(--edge); }
}
`;
