/** The style of the page of a refusal. A constant, because its hash stands in that page's policy. */
import { colours } from '#ui/colours.ts'

export const problemStyle = `${colours}body{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--paper);color:var(--ink)}
main{box-sizing:border-box;width:min(34rem,100%);padding:2rem 1.5rem}
.mark{color:var(--accent)}
h1{font-size:1.5rem;line-height:1.25;font-weight:650;letter-spacing:-.01em;margin:1.25rem 0 .75rem;text-wrap:balance;overflow-wrap:anywhere}
p,ul{margin:0 0 .75rem;overflow-wrap:anywhere}
ul{padding-inline-start:1.25rem}
.advice{color:var(--soft)}
.ways{margin:1.5rem 0 2rem;display:flex;flex-wrap:wrap;gap:.75rem 1.25rem;align-items:center}
a{color:var(--accent);text-underline-offset:.2em}
a.button{background:var(--accent);color:var(--on-accent);padding:.55rem 1rem;border-radius:.5rem;text-decoration:none;font-weight:600}
:focus-visible{outline:3px solid var(--accent);outline-offset:3px;border-radius:.5rem}
.reference{border-top:1px solid var(--line);padding-top:.9rem;font-size:.85rem;color:var(--soft);display:flex;flex-wrap:wrap;gap:.25rem .9rem}
code{font:.92em/1.4 ui-monospace,"SF Mono",Menlo,Consolas,monospace}
`
