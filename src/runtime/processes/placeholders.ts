/**
 * `${NAME}` in a plan's arguments and environment. Pure. What is not known stays as it is written, so that a shell's own variables work;
 * `$${NAME}` stands for a literal `${NAME}`.
 */
import { GatewayError } from '#errors.ts'

/** The longest argument or variable that Linux starts a program with (MAX_ARG_STRLEN). */
const longestValue = 131_071
const placeholder = /\$(\$?)\{([A-Za-z_][A-Za-z0-9_]*)\}/g
const portName = /^(SOCKET|TCP_PORT)_([1-9][0-9]{0,4})$/

export interface Names {
  /** Win over everything: `HOME`, `SOCKET_<port>`, `TCP_PORT_<port>`. */
  readonly fixed: ReadonlyMap<string, string>
  /** Of the plan; values may hold placeholders. */
  readonly env: Readonly<Record<string, string>>
  /** Below the plan's: `PATH`. A variable that names itself means the one here. */
  readonly base: ReadonlyMap<string, string>
}

export interface Resolver {
  /** A text with its placeholders filled in. Throws `invalid_resource` for a circle, a port that isn't declared, or what grows too long. */
  fill(text: string): string
  /** The value of one variable of `env`, filled in. */
  valueOf(name: string): string | undefined
}

export function resolverOf(names: Names): Resolver {
  const env = new Map(Object.entries(names.env))
  const values = new Map<string, string>()
  const open = new Set<string>()

  const lookUp = (name: string, asker: string | undefined): string | undefined => {
    const fixed = names.fixed.get(name)
    if (fixed !== undefined) return fixed
    if (portName.test(name)) throw new GatewayError('invalid_resource', `\${${name}} names a port that is not declared`)
    return name === asker ? names.base.get(name) : (variable(name) ?? names.base.get(name))
  }
  const variable = (name: string): string | undefined => {
    const known = values.get(name)
    const raw = env.get(name)
    if (known !== undefined || raw === undefined) return known
    if (open.has(name)) throw new GatewayError('invalid_resource', `the variable ${name} is made of itself`)
    open.add(name)
    const value = fill(raw, name)
    open.delete(name)
    values.set(name, value)
    return value
  }
  const fill = (text: string, asker: string | undefined): string => {
    let filled = ''
    let done = 0
    for (const match of text.matchAll(placeholder)) {
      const [whole, literal, name = ''] = match
      const value = literal === '' ? lookUp(name, asker) : whole.slice(1)
      filled += text.slice(done, match.index) + (value ?? whole)
      done = match.index + whole.length
      checkLength(filled, asker)
    }
    filled += text.slice(done)
    checkLength(filled, asker)
    return filled
  }
  return { fill: (text) => fill(text, undefined), valueOf: variable }
}

function checkLength(text: string, asker: string | undefined): void {
  if (text.length > longestValue) {
    throw new GatewayError('invalid_resource', `${asker ?? 'an argument'} is longer than ${longestValue} characters`)
  }
}

/** Is `${TCP_PORT_<port>}` asked for anywhere in these texts? */
export function asksForTcp(texts: Iterable<string>, port: number): boolean {
  const wanted = `\${TCP_PORT_${port}}`
  for (const text of texts) if (text.includes(wanted)) return true
  return false
}
