/**
 * Markup by template: whatever is put into it is escaped, unless it is markup made here. Knows no page.
 * Values belong between tags and inside quoted attributes; nowhere else does escaping make text safe.
 */

/** Made by {@link html} alone, so that holding one proves that what came from outside was escaped. */
export class Html {
  readonly #text: string

  private constructor(text: string) {
    this.#text = text
  }

  toString(): string {
    return this.#text
  }

  /** Takes text for markup as it is: for constants, and what {@link html} has put together. */
  static insecurely(text: string): Html {
    return new Html(text)
  }
}

/** `undefined` and `false` show nothing, so that `condition && html…` can be written. */
export type HtmlValue = Html | string | number | false | undefined | readonly HtmlValue[]

/**
 * @example
 * html`<a href="${url}" title="${anything}">${anything}</a>`
 */
export function html(parts: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  return Html.insecurely(parts.reduce((text, part, index) => text + textOf(values[index - 1]) + part))
}

function textOf(value: HtmlValue): string {
  if (value === undefined || value === false) return ''
  if (value instanceof Html) return value.toString()
  if (typeof value === 'object') return value.map(textOf).join('')
  return escapeHtml(String(value))
}

const entities: ReadonlyMap<string, string> = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['"', '&quot;'],
  ["'", '&#39;'],
])

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities.get(character) ?? '')
}

/**
 * A link's target as it may stand in `href`: an absolute `http(s)` URL or a path on this origin. Anything else, such as
 * `javascript:` or `//host`, becomes `#`, because escaping does not make it harmless.
 */
export function linkTarget(url: string): string {
  if (/^\/(?![/\\])/.test(url)) return url
  const parsed = URL.parse(url)
  return parsed?.protocol === 'https:' || parsed?.protocol === 'http:' ? url : '#'
}
