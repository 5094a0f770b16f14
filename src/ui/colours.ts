/** The colours and the type of pages that carry their style with them. `gatehouse.css` has the same, which a test holds it to. */
export const colours = `
:root{color-scheme:light dark;--paper:#f6f6f3;--panel:#ffffff;--ink:#1d2422;--soft:#58625f;--line:#dddfda;--strong-line:#878f8b;--accent:#0f6b57;--accent-deep:#0b5646;--on-accent:#ffffff;--bad:#a3231f;--bad-wash:#fbe7e5;--shadow:0 1px 2px rgb(20 30 27 / 0.06), 0 4px 16px rgb(20 30 27 / 0.05);--round:0.75rem;font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
@media (prefers-color-scheme:dark){:root{--paper:#121615;--panel:#1b201f;--ink:#e6ebe9;--soft:#9daaa6;--line:#2d3634;--strong-line:#6f7c78;--accent:#7fd1b9;--accent-deep:#9be0cb;--on-accent:#0c1f1a;--bad:#f2a19b;--bad-wash:#3a1d1b;--shadow:0 1px 2px rgb(0 0 0 / 0.4)}}
`
