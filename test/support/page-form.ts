/** Reads the forms of a page, well enough for pages of this project and its identity provider. */

export interface PageForm {
  readonly id: string | undefined
  readonly method: 'get' | 'post'
  /** As written; `undefined`: the page's own URL. */
  readonly action: string | undefined
  /** Names and values of its inputs; those of a submit button only where the page has it inside the form with a name. */
  readonly fields: ReadonlyMap<string, string>
}

export function formsOf(html: string): readonly PageForm[] {
  return [...html.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/gi)].map((match) => {
    const [, head = '', body = ''] = match
    const attributes = attributesOf(head)
    const inputs = [...body.matchAll(/<(?:input|textarea|select)\b([^>]*)>/gi)].map((input) =>
      attributesOf(input[1] ?? ''),
    )
    const fields = inputs.flatMap((input): [string, string][] => {
      const name = input.get('name')
      const type = input.get('type')
      const isOff = (type === 'checkbox' || type === 'radio') && !input.has('checked')
      return name === undefined || isOff ? [] : [[name, input.get('value') ?? '']]
    })
    return {
      id: attributes.get('id'),
      method: attributes.get('method')?.toLowerCase() === 'post' ? 'post' : 'get',
      action: attributes.get('action'),
      fields: new Map(fields),
    }
  })
}

/** Does a script of the page send its first form at once? */
export function submitsItself(html: string): boolean {
  return [...html.matchAll(/<script[^>]*>([\s\S]*?)<\/script>/gi)].some((script) => script[1]?.includes('.submit()'))
}

function attributesOf(text: string): ReadonlyMap<string, string> {
  const found = text.matchAll(/([a-z-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+)))?/gi)
  return new Map(
    [...found].map((match): [string, string] => [
      (match[1] ?? '').toLowerCase(),
      unescapeHtml(match[2] ?? match[3] ?? match[4] ?? ''),
    ]),
  )
}

const entities: Readonly<Record<string, string>> = {
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#39;': "'",
}

function unescapeHtml(text: string): string {
  return text.replace(/&(?:amp|lt|gt|quot|#39);/g, (entity) => entities[entity] ?? entity)
}
