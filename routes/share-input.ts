/** A share as somebody wants it, out of JSON or a form; what is wrong with it is said field by field. */
import type { Timestamp } from '#lib/clock.ts'
import { checkerOf, type SchemaFault } from '#lib/schema.ts'
import { type GranteeInput, type ShareInput, ShareInputSchema } from '#surface/messages.ts'
import { type FieldFault, type Outcome, titleOf } from '#surface/problem.ts'

const check = checkerOf(ShareInputSchema)

export function parseShareInput(body: unknown, now: Timestamp): Outcome<ShareInput> {
  const checked = check(body ?? null)
  if (!checked.ok) return unprocessable(checked.faults.map(faultOf))
  const input: ShareInput = checked.value
  const faults = [...input.grantees.flatMap(granteeFaults), ...expiryFaults(input.expiresAt, now)]
  return faults.length > 0 ? unprocessable(faults) : { ok: true, value: input }
}

/** In a field's own words, where the schema's would be a riddle to people. */
const plainWords: ReadonlyMap<string, string> = new Map([['grantees', 'must name somebody']])

function faultOf({ path, message }: SchemaFault): FieldFault {
  const field = path.slice(1)
  return { field, message: plainWords.get(field) ?? message }
}

function granteeFaults({ kind, namespace }: GranteeInput, index: number): readonly FieldFault[] {
  const field = `grantees/${index}/namespace`
  if (kind === 'ServiceAccount' && namespace === undefined)
    return [{ field, message: 'is needed for a ServiceAccount' }]
  if (kind !== 'ServiceAccount' && namespace !== undefined) return [{ field, message: `means nothing for a ${kind}` }]
  return []
}

const dateTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/

function expiryFaults(expiresAt: string | undefined, now: Timestamp): readonly FieldFault[] {
  if (expiresAt === undefined) return []
  const at = dateTime.test(expiresAt) ? Date.parse(expiresAt) : Number.NaN
  if (Number.isNaN(at)) return [{ field: 'expiresAt', message: 'must be a time as in RFC 3339' }]
  return at <= now ? [{ field: 'expiresAt', message: 'is over already' }] : []
}

function unprocessable(faults: readonly FieldFault[]): Outcome<never> {
  return {
    ok: false,
    problem: { code: 'unprocessable', status: 422, title: titleOf('unprocessable'), faults },
  }
}

const day = 24 * 3_600_000
/** How long a share lasts, as the form offers it; milliseconds. */
const spans: ReadonlyMap<string, number> = new Map([
  ['hour', 3_600_000],
  ['day', day],
  ['week', 7 * day],
  ['month', 30 * day],
])

/** What the form of the share page says, in the shape of the JSON body, to be checked as such. */
export function shareBodyOf(form: URLSearchParams, now: Timestamp): unknown {
  const [ports, connectionTypes] = [form.getAll('port'), form.getAll('type')]
  const expiresAt = expiryOf(form, now)
  return {
    grantees: [
      ...namesIn(form.get('people')).map((name) => ({ kind: 'User', name })),
      ...namesIn(form.get('groups')).map((name) => ({ kind: 'Group', name })),
    ],
    access: form.get('access') ?? 'connect',
    ...(ports.length > 0 ? { ports } : {}),
    ...(connectionTypes.length > 0 ? { connectionTypes } : {}),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  }
}

function namesIn(text: string | null): readonly string[] {
  const names = (text ?? '').split(/[\s,;]+/).filter((name) => name !== '')
  return [...new Set(names)]
}

/** Whatever is not understood comes out as no date, and never as none given. The date field has no zone; a script adds the reader's offset, and without one it is UTC, as the page says. */
function expiryOf(form: URLSearchParams, now: Timestamp): string | undefined {
  const until = form.get('until') ?? ''
  const span = spans.get(until)
  if (span !== undefined) return new Date(now + span).toISOString()
  if (until === '') return undefined
  const offset = Number(form.get('offset') ?? 0)
  const at = Date.parse(`${form.get('date') ?? ''}:00Z`) - offset * 60_000
  return Number.isNaN(at) ? 'no date' : new Date(at).toISOString()
}
