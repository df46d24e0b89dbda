import { TOKENS } from "@sonde/service/web";

/** The style of the pages on which people get in: system fonts, light and dark, readable on a phone. */
export const STYLE = `${TOKENS}* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; min-height: 100vh; display: flex; flex-direction: column;
  background: var(--ground); color: var(--ink);
  font: 1rem/1.6 var(--sans);
}
main { flex: 1; width: 100%; max-width: 30rem; margin: 0 auto; padding: 2rem 1.25rem 3rem; }
a { color: var(--accent); text-underline-offset: .18em; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .5rem; letter-spacing: -.02em; text-wrap: balance; }
h2 { font-size: 1.15rem; line-height: 1.3; margin: 0 0 .5rem; }
p { margin: 0 0 .75rem; overflow-wrap: anywhere; }
.skip { position: absolute; left: -10000px; }
.skip:focus { left: 1rem; top: .5rem; background: var(--sheet); padding: .5rem 1rem; z-index: 2; }
.bar { padding: .8rem 1.25rem; background: var(--sheet); border-bottom: 1px solid var(--line); font-weight: 700; }
.soft { color: var(--soft); }
.card { background: var(--sheet); border: 1px solid var(--line); border-radius: 12px; padding: 1.1rem 1.25rem; margin: 0 0 1rem; }
.alert { border: 1px solid var(--bad); border-left-width: 5px; border-radius: 8px; padding: .6rem 1rem; margin: 0 0 1rem; color: var(--bad); overflow-wrap: anywhere; }
.alert:empty, [hidden] { display: none; }
label { display: block; font-weight: 600; margin: 0 0 .2rem; }
.hint { color: var(--soft); font-size: .9rem; margin: 0 0 .3rem; }
input {
  width: 100%; font: inherit; color: inherit; background: var(--ground);
  border: 1px solid var(--edge); border-radius: 8px; padding: .55rem .75rem; margin: 0 0 .9rem;
}
button, .button {
  display: block; width: 100%; font: inherit; font-weight: 600; text-align: center; border: 0; border-radius: 8px;
  padding: .65rem 1rem; cursor: pointer; background: var(--accent); color: var(--on-accent); text-decoration: none;
}
button:disabled { opacity: .6; cursor: progress; }
button + button { margin-top: .6rem; }
.quiet { background: transparent; color: var(--accent); border: 1px solid var(--edge); }
fieldset { min-width: 0; }
legend { font-weight: 600; padding: 0 .3rem; }
.client { font-size: 2.1rem; font-weight: 700; line-height: 1.2; letter-spacing: -.02em; }
.choice { display: flex; align-items: baseline; gap: .6rem; font-weight: 400; overflow-wrap: anywhere; }
.choice input { flex: none; width: auto; margin: 0; }
.choices { max-height: 16rem; overflow: auto; margin: .4rem 0 .9rem 1.6rem; }
.code { font-family: var(--mono); overflow-wrap: anywhere; }
.qr { display: block; width: 100%; max-width: 15rem; height: auto; margin: 0 auto .75rem; border-radius: 8px; }
.codes { list-style: none; padding: 0; margin: 0 0 1rem; }
footer { border-top: 1px solid var(--line); color: var(--soft); font-size: .9rem; padding: 1rem 1.25rem; }
footer p { margin: 0; }
`;
